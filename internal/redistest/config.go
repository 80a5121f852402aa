package redistest

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// adminName is the user with which the package itself logs in when the
// default user is off. The users of a test may lack any right.
const adminName = "redistest"

// access is what all servers of one topology share: certificates and users.
type access struct {
	certs *certs // nil without TLS
	users []User // empty when everybody may log in; otherwise users[0] is the admin
}

func newAccess(o Options) (*access, error) {
	a := &access{}
	if o.TLS {
		c, err := newCerts()
		if err != nil {
			return nil, fmt.Errorf("redistest: make certificates: %w", err)
		}
		a.certs = c
	}
	if len(o.Users) > 0 {
		a.users = append([]User{{Name: adminName, Password: rand.Text()}}, o.Users...)
	}
	return a, nil
}

// admin returns the package's own login, empty without users.
func (a *access) admin() User {
	if len(a.users) == 0 {
		return User{}
	}
	return a.users[0]
}

// lines returns the settings for TLS or the plain port, and for users.
func (a *access) lines(port int) []string {
	lines := []string{fmt.Sprintf("port %d", port)}
	if a.certs != nil {
		lines = []string{
			"port 0",
			fmt.Sprintf("tls-port %d", port),
			"tls-cert-file " + certFile,
			"tls-key-file " + keyFile,
			"tls-ca-cert-file " + caFile,
			"tls-auth-clients no",
			"tls-replication yes",
		}
	}
	if len(a.users) == 0 {
		return lines
	}
	lines = append(lines, "user default off")
	for _, u := range a.users {
		rules := u.Rules
		if len(rules) == 0 {
			rules = []string{"~*", "&*", "+@all"}
		}
		// A hash needs no quoting, whatever the password contains.
		lines = append(lines, fmt.Sprintf("user %s on #%x %s",
			u.Name, sha256.Sum256([]byte(u.Password)), strings.Join(rules, " ")))
	}
	return lines
}

// dataLines are the settings of a server that holds data.
func dataLines(a *access) []string {
	lines := []string{
		`save ""`,
		"appendonly no",
		// The default of five seconds, in which a master waits for more
		// replicas before it feeds the first, would be most of a test's time.
		"repl-diskless-sync yes",
		"repl-diskless-sync-delay 0",
	}
	if admin := a.admin(); admin.Name != "" {
		lines = append(lines, "masteruser "+admin.Name, "masterauth "+admin.Password)
	}
	return lines
}

// file returns redis.conf of one server. The test's own settings come last:
// of two lines for one setting Redis takes the later.
func (sp *spec) file(port int) string {
	lines := slices.Concat(
		[]string{"bind 127.0.0.1", "daemonize no", `logfile ""`},
		sp.access.lines(port),
	)
	if !sp.sentinel {
		lines = append(lines, dataLines(sp.access)...)
	}
	lines = append(lines, sp.lines...)
	if !sp.sentinel {
		for _, s := range sp.opts.Config {
			v := s.Value
			if v == "" {
				v = `""`
			}
			lines = append(lines, s.Key+" "+v)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
