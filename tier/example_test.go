package tier_test

import (
	"errors"
	"fmt"

	"github.com/tiercache/tiercache/tier"
)

func ExampleKey_Digest() {
	// A digest is the same everywhere, unlike Hash, which only means something in this process.
	fmt.Printf("%x\n", tier.NewKey("users", "42").Digest())
	// Output: 8dac7502debad2ae
}

func ExampleParseEnvelope() {
	key := tier.NewKey("users", "42")
	frame := tier.AppendEnvelope(nil, &tier.Envelope{
		KeyDigest: key.Digest(),
		Tags:      []tier.Tag{{Name: "team:7", Generation: 1}},
		Payload:   []byte("Alice"),
	})

	e, err := tier.ParseEnvelope(frame)
	fmt.Println(e.KeyDigest == key.Digest(), e.Tags[0].Name, string(e.Payload), err)

	frame[len(frame)-1] ^= 1 // a single bit
	_, err = tier.ParseEnvelope(frame)
	fmt.Println(errors.Is(err, tier.ErrCorrupt))
	// Output:
	// true team:7 Alice <nil>
	// true
}
