package redistest

import (
	"fmt"
	"strings"
)

// Options say what to start. The zero value is one plain server without
// authentication.
type Options struct {
	// TLS makes the server listen on a TLS port only, with a certificate
	// from a CA made for this server.
	TLS bool
	// Users are the only ones who can log in; the default user is off.
	// Without users everybody may do everything.
	Users []User
	// Config holds redis.conf settings. They come last in the file and so
	// override those of the package.
	Config []Setting
	// Binary is the server program.
	// Defaults to the variable REDISTEST_SERVER, then to redis-server.
	Binary string
}

// A User is an ACL user.
type User struct {
	Name, Password string
	// Rules are ACL rules such as "~app:*" or "+@read".
	// Defaults to all keys, all channels and all commands.
	Rules []string
}

// A Setting is one line of redis.conf.
type Setting struct{ Key, Value string }

// An Option changes Options.
type Option func(*Options)

// WithTLS makes the server speak TLS only. Server.TLSConfig and Server.CAFile
// tell clients whom to trust.
func WithTLS() Option { return func(o *Options) { o.TLS = true } }

// WithACL adds a user and shuts out anonymous clients. URL carries the first
// user; Client logs in as an administrator of the package's own.
func WithACL(user, password string, rules ...string) Option {
	return func(o *Options) {
		o.Users = append(o.Users, User{Name: user, Password: password, Rules: rules})
	}
}

// WithConfig sets a redis.conf setting.
func WithConfig(key, value string) Option {
	return func(o *Options) { o.Config = append(o.Config, Setting{Key: key, Value: value}) }
}

func collect(opts []Option) Options {
	var o Options
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// validate refuses what would silently become another configuration.
func (o Options) validate() error {
	for _, u := range o.Users {
		if u.Name == "" || u.Name == "default" || u.Name == adminName || strings.ContainsAny(u.Name, " \t\r\n\"'") {
			return fmt.Errorf("redistest: bad user name %q", u.Name)
		}
		if strings.ContainsAny(strings.Join(u.Rules, " "), "\r\n") {
			return fmt.Errorf("redistest: line break in the rules of user %q", u.Name)
		}
	}
	for _, s := range o.Config {
		if s.Key == "" || strings.ContainsAny(s.Key+s.Value, "\r\n") {
			return fmt.Errorf("redistest: bad setting %q %q", s.Key, s.Value)
		}
	}
	return nil
}
