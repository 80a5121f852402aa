package redistest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// permanent marks an error that no further try will cure.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// poll calls try until it succeeds, fails for good or ctx ends. The error says what was still
// missing, which a bare deadline would hide.
func poll(ctx context.Context, every time.Duration, try func(context.Context) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var missing error
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if errors.As(err, new(permanent)) {
			return err
		}
		if missing == nil || ctx.Err() == nil {
			missing = err // a try cut short by ctx knows less than the one before
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), missing)
		case <-tick.C:
		}
	}
}
