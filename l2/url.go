package l2

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// topology is what stands behind a URL.
type topology int

const (
	single topology = iota
	sentinel
	cluster
)

// target is a URL taken apart.
type target struct {
	topology   topology
	tls        bool
	skipVerify bool
	socket     string   // path of a Unix socket; Addrs is empty then
	addrs      []string // host:port; of the Sentinels if topology is sentinel
	master     string   // the name Sentinel knows the master by
	pathDB     bool     // the path selects a database
	settings   Config   // what user info, path and query set
}

// parseURL takes a URL apart. It is not built on net/url, which refuses several hosts.
//
// No error quotes any part of the URL except the name of a parameter: a password with a
// raw '/', '?', '#' or '@' in it can end up in every other part.
func parseURL(raw string) (target, error) {
	scheme, rest, found := strings.Cut(raw, "://")
	t, ok := parseScheme(strings.ToLower(scheme))
	if !found || !ok {
		return target{}, errors.New("l2: URL: must begin with redis://, rediss://, redis+sentinel://, " +
			"rediss+sentinel://, redis+cluster://, rediss+cluster://, the same with valkey, or unix://")
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	authority, rest := rest[:end], rest[end:]
	if strings.ContainsAny(rest, "@#") {
		return target{}, errors.New(`l2: URL: "@" or "#" after the host: percent-encode "/", "?", "#" and "@" ` +
			"in user name, password and parameters")
	}
	path, query, _ := strings.Cut(rest, "?")
	path, err := url.PathUnescape(path)
	if err != nil {
		return target{}, errors.New(`l2: URL: the path has a "%" that begins no valid percent-encoding`)
	}

	hosts := authority
	var errs []error
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		hosts = authority[i+1:]
		errs = append(errs, t.parseUser(authority[:i]))
	}
	errs = append(errs, t.parsePlace(hosts, path), t.parseQuery(query))
	if err := errors.Join(errs...); err != nil {
		return target{}, err
	}
	return t, nil
}

func parseScheme(scheme string) (target, bool) {
	if scheme == "unix" {
		return target{socket: "/"}, true
	}
	name, kind, _ := strings.Cut(scheme, "+")
	var t target
	switch name {
	case "redis", "valkey":
	case "rediss", "valkeys":
		t.tls = true
	default:
		return target{}, false
	}
	switch kind {
	case "sentinel":
		t.topology = sentinel
	case "cluster":
		t.topology = cluster
	default:
		return t, scheme == name
	}
	return t, true
}

// parseUser reads "user", "user:password" or ":password".
func (t *target) parseUser(info string) error {
	name, password, _ := strings.Cut(info, ":")
	var err1, err2 error
	t.settings.Username, err1 = url.PathUnescape(name)
	t.settings.Password, err2 = url.PathUnescape(password)
	if err1 != nil || err2 != nil {
		return errors.New(`l2: URL: user name or password has a "%" that begins no valid percent-encoding: write "%" as "%25"`)
	}
	return nil
}

// parsePlace reads hosts and path: where the server is, and what to select there.
func (t *target) parsePlace(hosts, path string) error {
	if t.socket != "" {
		if hosts != "" || len(path) < 2 {
			return errors.New("l2: URL: unix:// needs the absolute path of a socket and no host, like unix:///run/redis.sock?db=0")
		}
		t.socket = path
		return nil
	}
	path = strings.TrimPrefix(path, "/")
	if t.topology == sentinel {
		t.master, path, _ = strings.Cut(path, "/")
	}
	var errs []error
	if t.topology == sentinel && t.master == "" {
		errs = append(errs, errors.New("l2: URL: the name of the master is missing: redis+sentinel://host1,host2/master/0"))
	}
	if path != "" {
		t.pathDB = true
		errs = append(errs, setInt(&t.settings.DB, "the database in the path", path, 0))
	}
	return errors.Join(append(errs, t.parseHosts(hosts))...)
}

func (t *target) parseHosts(hosts string) error {
	port := "6379"
	if t.topology == sentinel {
		port = "26379"
	}
	for host := range strings.SplitSeq(hosts, ",") {
		addr, ok := parseHost(host, port)
		if !ok {
			return fmt.Errorf("l2: URL: host %d is not host, host:port or [ipv6]:port with a port from 1 to 65535", len(t.addrs)+1)
		}
		t.addrs = append(t.addrs, addr)
	}
	if t.topology == single && len(t.addrs) > 1 {
		return errors.New("l2: URL: several hosts: write redis+cluster:// or redis+sentinel://")
	}
	return nil
}

// parseHost returns the host:port that s means.
func parseHost(s, defaultPort string) (string, bool) {
	var host, port string
	var hasPort bool
	if inner, found := strings.CutPrefix(s, "["); found {
		var after string
		host, after, found = strings.Cut(inner, "]")
		if ip, err := netip.ParseAddr(host); !found || err != nil || !ip.Is6() {
			return "", false
		}
		if port, hasPort = strings.CutPrefix(after, ":"); !hasPort && after != "" {
			return "", false
		}
	} else {
		host, port, hasPort = strings.Cut(s, ":")
		if host == "" || strings.ContainsFunc(host, notInHost) {
			return "", false
		}
	}
	if !hasPort {
		port = defaultPort
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", false
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), true
}

func notInHost(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '-' && r != '_'
}

// parseQuery reads the parameters. Unknown ones are errors: a misspelt time-out that is
// ignored shows only when Redis hangs.
func (t *target) parseQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New(`l2: URL: the parameters are not well-formed: percent-encode "%", "&", ";" and "+" in them`)
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names) // the same errors in the same order every time
	var errs []error
	for _, name := range names {
		if len(values[name]) > 1 {
			errs = append(errs, fmt.Errorf("l2: URL: parameter %s is given more than once", safeName(name)))
			continue
		}
		errs = append(errs, t.set(name, values[name][0]))
	}
	return errors.Join(errs...)
}

// set applies one parameter.
func (t *target) set(name, value string) error {
	what := "parameter " + safeName(name)
	c := &t.settings
	switch name {
	case "call_timeout":
		return setDuration(&c.CallTimeout, what, value)
	case "client_name":
		return setString(&c.ClientName, what, value)
	case "db":
		if t.pathDB {
			return errors.New("l2: URL: the database is given in the path and as a parameter: give it once")
		}
		return setInt(&c.DB, what, value, 0)
	case "dial_timeout":
		return setDuration(&c.DialTimeout, what, value)
	case "max_frame_bytes":
		return setInt(&c.MaxFrameBytes, what, value, 1)
	case "pool_size":
		return setInt(&c.PoolSize, what, value, 1)
	case "prefix":
		return setString(&c.Prefix, what, value)
	case "sentinel_password", "sentinel_username":
		if t.topology != sentinel {
			return fmt.Errorf("l2: URL: %s belongs to a URL that names Sentinels", what)
		}
		if name == "sentinel_username" {
			return setString(&c.SentinelUsername, what, value)
		}
		return setString(&c.SentinelPassword, what, value)
	case "skip_verify":
		if !t.tls || (value != "true" && value != "false") {
			return fmt.Errorf("l2: URL: %s must be true or false, and the scheme one with TLS", what)
		}
		t.skipVerify = value == "true"
		return nil
	}
	return fmt.Errorf("l2: URL: %s is not known; known are call_timeout, client_name, db, dial_timeout, "+
		"max_frame_bytes, pool_size, prefix, sentinel_password, sentinel_username and skip_verify", what)
}

// safeName returns name if it looks like the name of a parameter. Anything else may be a
// part of a password that was not percent-encoded.
func safeName(name string) string {
	plain := func(r rune) bool { return (r >= 'a' && r <= 'z') || r == '_' }
	if name == "" || len(name) > 32 || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return "with an unusual name"
	}
	return strconv.Quote(name)
}

func setString(field *string, what, value string) error {
	if value == "" {
		return fmt.Errorf("l2: URL: %s is empty", what)
	}
	*field = value
	return nil
}

func setInt(field *int, what, value string, least int) error {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil || int(n) < least {
		return fmt.Errorf("l2: URL: %s is not a whole number of %d or more", what, least)
	}
	*field = int(n)
	return nil
}

func setDuration(field *time.Duration, what, value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return fmt.Errorf(`l2: URL: %s is not a duration above zero with a unit, like "100ms"`, what)
	}
	*field = d
	return nil
}
