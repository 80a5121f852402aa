package msgpack_test

import (
	"fmt"

	"github.com/tiercache/tiercache/codec/msgpack"
)

func Example() {
	type user struct {
		ID   int64  `msgpack:"id"`
		Name string `msgpack:"name"`
	}
	// An engine calls these two: set Config.Codec to msgpack.Codec{}.
	stored, err := msgpack.Codec{}.Append(nil, user{ID: 42, Name: "Ada"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var u user
	if err := (msgpack.Codec{}).Decode(stored, &u); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(stored), "bytes:", u.ID, u.Name)
	// Output: 14 bytes: 42 Ada
}
