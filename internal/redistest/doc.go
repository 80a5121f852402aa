// Package redistest starts real redis-server processes on loopback ports, for
// integration tests and for programs such as the benchmarks and the demo.
//
//	srv := redistest.Start(t)                    // one server, empty, gone when the test ends
//	db := srv.Client(t)                          // plain client for assertions
//	cfg.L2 = open(srv.URL())                     // what the code under test gets
//
//	srv.Stop(); srv.Continue()                   // hung server: accepts, never answers
//	srv.Kill(); srv.Restart()                    // crash, then the same port, empty
//
//	redistest.Start(t, redistest.WithTLS())
//	redistest.Start(t, redistest.WithACL("app", "secret", "~app:*", "+@read"))
//	redistest.Start(t, redistest.WithConfig("maxmemory", "4mb"))
//	redistest.StartCluster(t)                    // 3 masters, 3 replicas
//	redistest.StartSentinel(t)                   // 1 master, 2 replicas, 3 sentinels
//
// # Failures
//
// Methods that act on a process return an error. When the server belongs to a
// test they also report it through that test's Errorf, so a test may ignore
// the result and still fails. A missing redis-server is fatal, never a skip: a
// suite that skips its integration tests proves nothing. Set REDISTEST_SERVER
// to run another binary, for instance valkey-server.
//
// # Programs
//
// Start, StartCluster and StartSentinel wrap Launch, LaunchCluster and
// LaunchSentinel, which return errors and leave Close to the caller. The
// package does not import "testing", so a program may link it.
//
// # Processes
//
// A server has no persistence: what it held is gone after Kill. Close, which
// tests get through Cleanup, ends the process, waits for it and removes its
// directory. On Linux the kernel also kills the servers when the test binary
// dies without cleaning up; only their directories stay behind then.
//
// # Ports
//
// Ports come from 10000-19999, and cluster buses use the port plus 10000, so
// both lie below the range from which kernels pick ports for clients. On Linux
// a port stays reserved for the whole life of its Server, also while the
// process is dead, so that Restart finds it free however many test binaries
// run side by side.
package redistest
