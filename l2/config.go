package l2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"time"
)

// Defaults of Config.
const (
	DefaultPrefix        = "tc"
	DefaultCallTimeout   = 100 * time.Millisecond
	DefaultDialTimeout   = 300 * time.Millisecond
	DefaultMaxFrameBytes = 64<<20 + 64<<10 // a payload of 64 MiB with its header and tags
)

// maxFrameLimit is the longest string Redis can be asked for: proto-max-bulk-len is
// 512 MiB unless somebody raised it.
const maxFrameLimit = 512 << 20

// Config holds the settings of a Remote. The zero value is ready for production; a
// negative number is an error. A field that is set wins over the same setting in the URL.
//
// Prefix, CallTimeout and MaxFrameBytes apply to Open and New. The other fields say how to
// connect, so they are errors in New, where the client is connected already.
type Config struct {
	// CallTimeout bounds every call, whatever its context allows: dialling, waiting for a
	// connection, sending, waiting for the answer and one retry. Calls with many keys have
	// the same budget as calls with one. Defaults to 100 ms.
	CallTimeout time.Duration

	// ClientName names the connections in CLIENT LIST. The server's user then needs the
	// right to CLIENT SETNAME. Defaults to no name.
	ClientName string

	// Credentials, if set, is asked for user name and password before each new connection
	// and replaces Username and Password. It runs within the call that needs the
	// connection and must return when its context ends. Defaults to nil.
	Credentials func(ctx context.Context) (username, password string, err error)

	// DB is the index of the database; a Cluster has only 0. Defaults to the URL's, else 0.
	DB int

	// DialTimeout bounds the making of one connection, TLS included. A connection that
	// comes up after its call has left is kept for the next one. Defaults to 300 ms.
	DialTimeout time.Duration

	// MaxFrameBytes is the longest value that is stored or read. A longer one is refused by
	// Set and read as tier.ErrCorrupt; at most one byte more than this is transferred or
	// allocated for it. Defaults to 64 MiB + 64 KiB, at most 512 MiB.
	MaxFrameBytes int

	// Password is the password of Username, or of the default user. Defaults to the URL's.
	Password string

	// PoolSize is the number of connections to each node. Calls that find all in use wait
	// for one, within their deadline. Each connection holds 64 KiB of buffers. Defaults to
	// 10 per GOMAXPROCS, and 20 at least.
	PoolSize int

	// Prefix begins every key and channel, so that several applications can share a
	// server: 1 to 64 of the characters A-Z a-z 0-9 _ . : and -. Defaults to "tc".
	Prefix string

	// SentinelPassword is the password for the Sentinels themselves. The data password is
	// never sent to them. Defaults to the URL's sentinel_password, else none.
	SentinelPassword string

	// SentinelUsername is the ACL user for the Sentinels themselves. Defaults to the URL's
	// sentinel_username, else none.
	SentinelUsername string

	// TLS is the TLS configuration for a URL whose scheme asks for TLS; with any other
	// scheme it is an error, because it would be ignored. It is cloned. Unless it names a
	// ServerName, certificates are checked against the host that is dialled, which under
	// Sentinel and in a Cluster is what those announce. Defaults to the system's roots and
	// TLS 1.2 or later.
	TLS *tls.Config

	// Username is the ACL user. Defaults to the URL's, else the server's default user.
	Username string
}

// over returns c with the fields that are not set taken from base.
func (c Config) over(base Config) Config {
	fill(&c.CallTimeout, base.CallTimeout)
	fill(&c.ClientName, base.ClientName)
	fill(&c.DB, base.DB)
	fill(&c.DialTimeout, base.DialTimeout)
	fill(&c.MaxFrameBytes, base.MaxFrameBytes)
	fill(&c.PoolSize, base.PoolSize)
	fill(&c.Prefix, base.Prefix)
	fill(&c.SentinelPassword, base.SentinelPassword)
	fill(&c.SentinelUsername, base.SentinelUsername)
	if c.Credentials == nil { // the function replaces both
		fill(&c.Password, base.Password)
		fill(&c.Username, base.Username)
	}
	return c
}

// withDefaults returns c with the fields that are not set at their defaults.
func (c Config) withDefaults() Config {
	return c.over(Config{
		CallTimeout:   DefaultCallTimeout,
		DialTimeout:   DefaultDialTimeout,
		MaxFrameBytes: DefaultMaxFrameBytes,
		PoolSize:      max(20, 10*runtime.GOMAXPROCS(0)),
		Prefix:        DefaultPrefix,
	})
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate reports everything that is wrong with c, which has its defaults already.
func (c Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("l2: Config."+format, args...)) }

	if c.CallTimeout < time.Millisecond {
		bad("CallTimeout is %v: set 1ms or more, or 0 for %v", c.CallTimeout, DefaultCallTimeout)
	}
	if c.DialTimeout < time.Millisecond {
		bad("DialTimeout is %v: set 1ms or more, or 0 for %v", c.DialTimeout, DefaultDialTimeout)
	}
	if c.DB < 0 {
		bad("DB is %d: set 0 or more", c.DB)
	}
	if c.MaxFrameBytes < 0 || c.MaxFrameBytes > maxFrameLimit {
		bad("MaxFrameBytes is %d: set 1 to %d, or 0 for %d", c.MaxFrameBytes, maxFrameLimit, DefaultMaxFrameBytes)
	}
	if c.PoolSize < 0 {
		bad("PoolSize is %d: set 1 or more, or 0 for the default", c.PoolSize)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,64}$`).MatchString(c.Prefix) {
		bad("Prefix must be 1 to 64 of the characters A-Z a-z 0-9 _ . : and -")
	}
	if c.Credentials != nil && (c.Username != "" || c.Password != "") {
		bad("Credentials is set together with Username or Password: set one or the other")
	}
	if c.SentinelUsername != "" && c.SentinelPassword == "" {
		bad("SentinelUsername is set without SentinelPassword: set both")
	}
	return errors.Join(errs...)
}

// validateReady reports the fields that mean nothing for a client that exists already.
func (c Config) validateReady() error {
	var errs []error
	refuse := func(set bool, field string) {
		if set {
			errs = append(errs, fmt.Errorf("l2: Config.%s has no effect on a ready client: set it in the client's own options", field))
		}
	}
	refuse(c.ClientName != "", "ClientName")
	refuse(c.Credentials != nil, "Credentials")
	refuse(c.DB != 0, "DB")
	refuse(c.DialTimeout != 0, "DialTimeout")
	refuse(c.Password != "", "Password")
	refuse(c.PoolSize != 0, "PoolSize")
	refuse(c.SentinelPassword != "", "SentinelPassword")
	refuse(c.SentinelUsername != "", "SentinelUsername")
	refuse(c.TLS != nil, "TLS")
	refuse(c.Username != "", "Username")
	return errors.Join(errs...)
}
