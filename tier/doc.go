// Package tier is the contract between the engine and the places where it keeps values.
//
// A Local tier (L1) holds live values in the process: it cannot fail, cannot block on I/O
// and may forget anything at any time. A Remote tier (L2) holds bytes that all processes
// share: every call takes a context and may fail. The two are different interfaces because
// a common one would hide both facts.
//
// What a Remote stores is an Envelope: a value's bytes behind a fixed header with its
// identity, its times and the generations it was computed under. The layout is part of the
// protocol between processes and is described in docs/wire-format.md.
//
// The package imports the standard library only, so that a tier can be written and tested
// without the engine. Package tiertest holds the conformance suites every tier must pass.
package tier
