//go:build race

package tiertest

// raceEnabled says that the race detector is on. It makes sync.Pool forget at random, so
// that code which does not allocate otherwise does.
const raceEnabled = true
