// Package tiertest holds what tests of tiers, and tests on top of tiers, need:
//
//   - TestLocal and TestRemote are the conformance suites. Every implementation of
//     tier.Local and tier.Remote has to pass them, those of other modules included.
//   - MapLocal and Memory are exact tiers in memory. They start no goroutine and read the
//     time only when they are called, so they work inside testing/synctest bubbles.
//   - Faulty wraps any tier.Remote and fails on request: errors, delays, hangs, lost
//     writes, corrupt bytes.
//
// The package imports testing. Import it from test files only.
package tiertest
