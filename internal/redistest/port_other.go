//go:build !linux

package redistest

import (
	"net"
	"strconv"
)

// hold only looks whether the port is free now. Elsewhere than on Linux a
// bound socket would keep the server out, so the reservation cannot last;
// Launch tries another port when somebody was faster.
func hold(port int) (release func(), err error) {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	return func() {}, l.Close()
}
