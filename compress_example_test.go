package tiercache_test

import (
	"fmt"

	"github.com/tiercache/tiercache"
)

// A dictionary makes even small values smaller. It is trained once, from values such as the
// service stores, kept in a file, and embedded into the binary.
func ExampleZstdDict() {
	user := func(i int) []byte {
		return fmt.Appendf(nil, `{"id":%d,"name":"user-%d","mail":"user-%d@example.com","active":%t}`, i, i*7, i*7, i%2 == 0)
	}
	var samples [][]byte
	for i := range 500 {
		samples = append(samples, user(i))
	}
	dict, err := tiercache.TrainDict(samples, 4096)
	if err != nil {
		fmt.Println(err)
		return
	}
	by, err := tiercache.ZstdDict(dict)
	if err != nil {
		fmt.Println(err)
		return
	}
	// For Config.Compression: values of 64 bytes and more are compressed with it.
	_ = tiercache.Compression{Steps: []tiercache.CompressStep{{MinBytes: 64, Compressor: by}}}

	small, err := by.AppendCompress(nil, user(1234))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("saves a third of 75 bytes:", len(small) <= len(user(1234))*2/3)
	// Output: saves a third of 75 bytes: true
}
