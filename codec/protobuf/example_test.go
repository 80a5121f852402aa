package protobuf_test

import (
	"fmt"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tiercache/tiercache/codec/protobuf"
)

func Example() {
	// An engine calls these two: set Config.Codec to protobuf.Codec{}.
	stored, err := protobuf.Codec{}.Append(nil, wrapperspb.String("Ada"))
	if err != nil {
		fmt.Println(err)
		return
	}
	var name *wrapperspb.StringValue // of a Cache[*wrapperspb.StringValue]
	if err := (protobuf.Codec{}).Decode(stored, &name); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(stored), "bytes:", name.GetValue())

	_, err = protobuf.Codec{}.Append(nil, 42)
	fmt.Println(err)
	// Output:
	// 5 bytes: Ada
	// tiercache: protobuf: int is not a pointer to a generated message
}
