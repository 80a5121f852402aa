package l2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tiercache/tiercache/tier"
)

// errNoPlace says that a guarded call found no place before its deadline.
var errNoPlace = errors.New("l2: too many calls that the client has not given up yet")

// callError is a failure of the server, the network or the client. Its text is made here,
// because theirs can hold keys and values ("unknown command 'GETRANGE', with args
// beginning with: ..."). Unwrap gives the originals to errors.Is and errors.As.
type callError struct {
	op     string
	text   string
	causes []error
}

func (e *callError) Error() string   { return "l2: " + e.op + ": " + e.text }
func (e *callError) Unwrap() []error { return e.causes }

// fail turns what the client returned into what the caller gets, and tells the reloader.
// ctx is the context with the call's own deadline.
func (r *Remote) fail(ctx context.Context, op string, err error) error {
	if r.closed.Load() {
		return fmt.Errorf("l2: %s: %w", op, tier.ErrClosed)
	}
	if redis.HasErrorPrefix(err, "WRONGTYPE") {
		return fmt.Errorf("l2: %s: a value of another type: %w", op, tier.ErrCorrupt)
	}
	e := &callError{op: op, text: describe(err), causes: []error{err}}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		// Whatever the client made of it, this is why the call ended.
		e.text = "cancelled by the caller"
		e.causes = append(e.causes, context.Canceled)
		return e
	case isServerError(err):
	case ctx.Err() != nil, isTimeout(err), errors.Is(err, errNoPlace):
		e.causes = append(e.causes, context.DeadlineExceeded)
	}
	if r.reloader != nil {
		r.reloader.notice(ctx, err)
	}
	return e
}

// isServerError says whether err is an answer of the server.
func isServerError(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, redis.ErrPoolTimeout) || (errors.As(err, &ne) && ne.Timeout())
}

// describe says what err is without quoting anything that can hold a key, a value or a
// password.
func describe(err error) string {
	var (
		answer redis.Error
		dns    *net.DNSError
		op     *net.OpError
		system *os.SyscallError
		cert   *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &answer):
		return describeAnswer(answer.Error())
	case errors.Is(err, redis.ErrClosed):
		return "the client is closed"
	case errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrPoolExhausted):
		return "no free connection in time: is the server slow, or Config.PoolSize too small?"
	case errors.Is(err, errNoPlace):
		return "too many guarded calls are still in progress"
	case errors.As(err, &dns):
		return dns.Error()
	case errors.As(err, &op) && op.Op == "dial":
		return op.Error()
	case isTimeout(err):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed the connection"
	case errors.As(err, &op):
		return op.Error()
	case errors.As(err, &system):
		return system.Error()
	case errors.As(err, &cert):
		return cert.Error()
	case strings.HasPrefix(err.Error(), "redis: invalid reply"), strings.HasPrefix(err.Error(), "redis: can't parse"):
		return "the answer is not in the protocol of Redis"
	}
	// Errors of the client's own begin like this and quote only after a colon.
	if text := err.Error(); strings.HasPrefix(text, "redis: ") {
		return plain(strings.TrimPrefix(text, "redis: "))
	}
	return fmt.Sprintf("failed with a %T", err)
}

// describeAnswer says what an error answer of the server means. Its text begins with a
// code. Of unknown ones nothing is said: what sent them may be no Redis and send back what
// it got.
func describeAnswer(text string) string {
	code, _, _ := strings.Cut(text, " ")
	switch code {
	case "NOAUTH", "WRONGPASS":
		return code + ": user name or password is missing or wrong"
	case "NOPERM":
		return code + ": the user lacks a right: the documentation of package l2 lists them"
	case "OOM":
		return code + ": the server is full and evicts nothing"
	case "LOADING":
		return code + ": the server is loading its data"
	case "READONLY":
		return code + ": the server is a replica"
	case "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "MISCONF", "NOREPLICAS", "NOSCRIPT", "CROSSSLOT", "EXECABORT":
		return code
	case "MOVED", "ASK":
		return code + ": the slot is on another node"
	case "DENIED":
		return code + ": the server is in protected mode: it needs a password or bind"
	case "ERR":
		return plain(text)
	}
	return "an error answer of an unknown kind"
}

// plain returns the beginning of text, up to where servers and clients begin to quote.
func plain(text string) string {
	end := strings.IndexFunc(text, func(r rune) bool {
		return r < ' ' || r > '~' || strings.ContainsRune("'\"`:", r)
	})
	if end < 0 {
		end = len(text)
	}
	return strings.TrimSpace(text[:min(end, 100)])
}
