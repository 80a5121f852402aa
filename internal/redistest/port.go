package redistest

import (
	"fmt"
	"math/rand/v2"
)

const (
	firstPort = 10000
	portCount = 10000
	busOffset = 10000 // Redis puts the cluster bus this far above the port
)

// reservePort finds a free port at random, so that test binaries which start
// together do not race along the same sequence. With bus the port's cluster
// bus port is reserved too.
func reservePort(bus bool) (port int, release func(), err error) {
	for range 200 {
		port = firstPort + rand.IntN(portCount)
		release, err = hold(port)
		if err != nil {
			continue
		}
		if !bus {
			return port, release, nil
		}
		releaseBus, busErr := hold(port + busOffset)
		if busErr == nil {
			releasePort := release
			return port, func() { releasePort(); releaseBus() }, nil
		}
		release()
		err = busErr
	}
	return 0, nil, fmt.Errorf("redistest: no free port: %w", err)
}
