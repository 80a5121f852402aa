package tier

import "errors"

// Miss, absent and failure are three different things. These are the errors a Remote
// returns for the first and the last; absent is a stored envelope like any other.
var (
	// ErrMiss says that the tier was asked and holds nothing under the key.
	ErrMiss = errors.New("tiercache: miss")

	// ErrCorrupt says that there are bytes under the key which are not a usable envelope:
	// of another type, cut short, altered, over the size cap, or of another key. Callers
	// treat it as a miss that may be overwritten.
	ErrCorrupt = errors.New("tiercache: not a usable envelope")

	// ErrNewer says that the envelope was written by a later release in a version this one
	// cannot read. Callers treat it as a miss and leave the bytes alone, so that old and
	// new processes can run side by side during a deploy.
	ErrNewer = errors.New("tiercache: envelope of a newer version")

	// ErrClosed says that the tier has been closed.
	ErrClosed = errors.New("tiercache: closed")
)
