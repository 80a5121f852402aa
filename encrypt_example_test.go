package tiercache_test

import (
	"fmt"

	"github.com/tiercache/tiercache"
)

// Keys are rotated while the service runs, in steps that each reach every process before
// the next one begins. In a real service the secrets come from a secret store.
func ExampleKeyRing_Replace() {
	may := tiercache.SealKey{ID: 1, Secret: []byte("0123456789abcdef0123456789abcdef")}
	june := tiercache.SealKey{ID: 2, Secret: []byte("fedcba9876543210fedcba9876543210")}

	ring, err := tiercache.NewKeyRing(may) // for Config.KeyRing
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ring)
	for _, step := range [][]tiercache.SealKey{
		{may, june}, // everybody can read what will be sealed with june
		{june, may}, // june seals, and what may sealed is still read
		{june},      // the last value sealed with may has expired
	} {
		if err := ring.Replace(step[0], step[1:]...); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(ring)
	}
	// Output:
	// KeyRing(primary 1, 0 accepted)
	// KeyRing(primary 1, 1 accepted)
	// KeyRing(primary 2, 1 accepted)
	// KeyRing(primary 2, 0 accepted)
}
