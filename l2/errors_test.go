package l2

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/internal/redistest"
	"github.com/tiercache/tiercache/tier"
)

// secret stands for what must not get into a log: it is a key, a value and a password.
const secret = "SEKRET"

// requireDiscreet makes every call with secret in keys and frames. All must fail without
// saying it.
func requireDiscreet(t *testing.T, r *Remote) {
	t.Helper()
	k, other := key(secret), key(secret+"2")
	items := []tier.Item{{Key: k, Frame: []byte(secret), TTL: time.Minute}, {Key: other, Frame: []byte(secret), TTL: time.Minute}}
	_, getErr := r.Get(t.Context(), k)
	for name, err := range map[string]error{
		"Get":     getErr,
		"Set":     r.Set(t.Context(), k, []byte(secret), time.Minute),
		"Delete1": r.Delete(t.Context(), k),
		"Delete":  r.Delete(t.Context(), k, other),
		"Expire":  r.Expire(t.Context(), time.Now(), k, other),
		"GetMany": r.GetMany(t.Context(), []tier.Key{k, other})[1].Err,
		"SetMany": r.SetMany(t.Context(), items)[1],
	} {
		require.Error(t, err, name)
		require.Regexp(t, "^l2: ", err.Error(), name)
		require.NotContains(t, err.Error(), secret, name)
		require.NotContains(t, fmt.Sprintf("%+v %#v", err, err.Error()), secret, name)
		t.Logf("%s: %v", name, err)
	}
}

// A server that does not know a command quotes it, with its arguments.
func TestErrorsOfUnknownCommands(t *testing.T) {
	srv := redistest.Start(t,
		redistest.WithConfig("rename-command GETRANGE", ""), redistest.WithConfig("rename-command SET", ""),
		redistest.WithConfig("rename-command UNLINK", ""), redistest.WithConfig("rename-command EVALSHA", ""))
	r := open(t, srv.URL(), Config{})
	_, err := r.Get(t.Context(), key(secret))
	var answer redis.Error
	require.ErrorAs(t, err, &answer)
	require.Contains(t, answer.Error(), secret, "the server does not quote: this test proves nothing")
	requireDiscreet(t, r)
}

func TestErrorsOfMissingRights(t *testing.T) {
	srv := redistest.Start(t, redistest.WithACL("app", secret, "~other:*", "+@all"))
	r := open(t, srv.URL(), Config{})
	requireDiscreet(t, r)
	_, err := r.Get(t.Context(), key("x"))
	require.True(t, redis.IsPermissionError(err))
	require.ErrorContains(t, err, "NOPERM")
}

func TestErrorsOfWrongPasswords(t *testing.T) {
	srv := redistest.Start(t, redistest.WithACL("app", "right"))
	for _, url := range []string{"redis://app:" + secret + "@" + srv.Addr(), "redis://" + srv.Addr()} {
		r := open(t, url, Config{})
		requireDiscreet(t, r)
		err := r.Ping(t.Context())
		require.True(t, redis.IsAuthError(err))
		require.ErrorContains(t, err, "user name or password")
	}
}

// serve runs a server that answers every line with answer(line).
func serve(t *testing.T, answer func(line string) string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewScanner(conn)
				for in.Scan() {
					if _, err := io.WriteString(conn, answer(in.Text())); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// What is no Redis at all may send back what it got.
func TestErrorsOfStrangers(t *testing.T) {
	for name, answer := range map[string]func(string) string{
		"garbage":  func(line string) string { return secret + " " + line + "\r\n" },
		"error":    func(line string) string { return "-" + secret + " " + line + "\r\n" },
		"unquoted": func(line string) string { return "-ERR cannot do it: " + secret + " " + line + "\r\n" },
	} {
		t.Run(name, func(t *testing.T) {
			requireDiscreet(t, open(t, "redis://"+serve(t, answer), Config{CallTimeout: 200 * time.Millisecond}))
		})
	}
}

func TestErrorsOfTLS(t *testing.T) {
	plain, secure := redistest.Start(t), redistest.Start(t, redistest.WithTLS())
	brief := Config{CallTimeout: 200 * time.Millisecond}
	for name, r := range map[string]*Remote{
		"unknown CA":             open(t, secure.URL(), brief),
		"TLS to a plain server":  open(t, "rediss://"+plain.Addr(), brief),
		"no TLS to a TLS server": open(t, "redis://"+secure.Addr(), brief),
	} {
		require.Error(t, r.Ping(t.Context()), name)
		requireDiscreet(t, r)
	}
	require.NoError(t, open(t, secure.URL()+"?skip_verify=true", Config{}).Ping(t.Context()))
	var cert *tls.CertificateVerificationError
	require.ErrorAs(t, open(t, secure.URL(), Config{}).Ping(t.Context()), &cert)
}

func TestDescribe(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, test := range []struct {
		err  error
		want string
	}{
		{answerError("ERR unknown command 'GET', with args beginning with: 'k'"), "ERR unknown command"},
		{answerError("ERR max number of clients reached"), "ERR max number of clients reached"},
		{answerError("OOM command not allowed when used memory > 'maxmemory'."), "OOM: the server is full and evicts nothing"},
		{answerError("MOVED 1 10.0.0.1:1"), "MOVED: the slot is on another node"},
		{answerError("CLUSTERDOWN The cluster is down"), "CLUSTERDOWN"},
		{answerError("SEKRET"), "an error answer of an unknown kind"},
		{answerError(""), "an error answer of an unknown kind"},
		{fmt.Errorf("hook: %w", answerError("LOADING x")), "LOADING: the server is loading its data"},
		{refused, "dial tcp: connection refused"},
		{io.EOF, "the server closed the connection"},
		{redis.ErrClosed, "the client is closed"},
		{context.DeadlineExceeded, "no answer in time"},
		{errors.New(`redis: invalid reply: "SEKRET"`), "the answer is not in the protocol of Redis"},
		{errors.New(`redis: can't parse "SEKRET"`), "the answer is not in the protocol of Redis"},
		{errors.New("redis: cluster has no nodes"), "cluster has no nodes"},
		{errors.New("SEKRET"), "failed with a *errors.errorString"},
		{&net.DNSError{Err: "no such host", Name: "redis.internal"}, "lookup redis.internal: no such host"},
	} {
		require.Equal(t, test.want, describe(test.err), "%v", test.err)
	}
	require.Contains(t, describe(redis.ErrPoolTimeout), "PoolSize")
}

// answerError is an error answer of a server.
type answerError string

func (e answerError) Error() string { return string(e) }
func (e answerError) RedisError()   {}

func TestErrorsOfManyKeys(t *testing.T) {
	srv := redistest.Start(t, redistest.WithACL("app", "secret", "~tc:*", "-@all"))
	r := open(t, srv.URL(), Config{})
	err := r.Delete(t.Context(), keysOf(700)...)
	require.EqualError(t, err, "l2: delete: 700 of 700 keys failed: NOPERM: the user lacks a right: the documentation of package l2 lists them")
	require.True(t, redis.IsPermissionError(err))
	require.NoError(t, joined("delete", []error{nil, nil}))
	require.EqualError(t, joined("get", []error{nil, io.EOF, io.EOF, errors.New("l2: get: x")}), "l2: get: 3 of 4 keys failed: EOF; x")
}
