package l2

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseURL(t *testing.T) {
	for url, want := range map[string]target{
		"redis://localhost":             {addrs: []string{"localhost:6379"}},
		"valkey://localhost/":           {addrs: []string{"localhost:6379"}},
		"REDIS://h:1/2":                 {addrs: []string{"h:1"}, pathDB: true, settings: Config{DB: 2}},
		"redis://h?db=2":                {addrs: []string{"h:6379"}, settings: Config{DB: 2}},
		"redis://u:p@h":                 {addrs: []string{"h:6379"}, settings: Config{Username: "u", Password: "p"}},
		"redis://:p%40%2F:@h":           {addrs: []string{"h:6379"}, settings: Config{Password: "p@/:"}},
		"redis://u:a@b@h":               {addrs: []string{"h:6379"}, settings: Config{Username: "u", Password: "a@b"}},
		"redis://[::1]":                 {addrs: []string{"[::1]:6379"}},
		"redis://[::1]:77":              {addrs: []string{"[::1]:77"}},
		"rediss://h":                    {tls: true, addrs: []string{"h:6379"}},
		"valkeys://h":                   {tls: true, addrs: []string{"h:6379"}},
		"rediss://h?skip_verify=true":   {tls: true, skipVerify: true, addrs: []string{"h:6379"}},
		"unix:///run/redis.sock":        {socket: "/run/redis.sock"},
		"unix://u:p@/a%20b?db=3":        {socket: "/a b", settings: Config{Username: "u", Password: "p", DB: 3}},
		"redis+cluster://a:1,b,[::2]:3": {topology: cluster, addrs: []string{"a:1", "b:6379", "[::2]:3"}},
		"valkeys+cluster://a":           {topology: cluster, tls: true, addrs: []string{"a:6379"}},
		"redis+sentinel://a,b:1/m":      {topology: sentinel, master: "m", addrs: []string{"a:26379", "b:1"}},
		"valkey+sentinel://u:p@a/m/4?sentinel_username=x&sentinel_password=y": {
			topology: sentinel, master: "m", addrs: []string{"a:26379"}, pathDB: true,
			settings: Config{Username: "u", Password: "p", DB: 4, SentinelUsername: "x", SentinelPassword: "y"},
		},
		"rediss+sentinel://a/m": {topology: sentinel, tls: true, master: "m", addrs: []string{"a:26379"}},
		"redis://h?call_timeout=50ms&dial_timeout=1s&pool_size=7&max_frame_bytes=9&prefix=app&client_name=me": {
			addrs: []string{"h:6379"},
			settings: Config{CallTimeout: 50 * time.Millisecond, DialTimeout: time.Second, PoolSize: 7,
				MaxFrameBytes: 9, Prefix: "app", ClientName: "me"},
		},
	} {
		t.Run(url, func(t *testing.T) {
			got, err := parseURL(url)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestParseURLErrors(t *testing.T) {
	for url, want := range map[string]string{
		"":                              "must begin with",
		"localhost:6379":                "must begin with",
		"http://h":                      "must begin with",
		"redis+x://h":                   "must begin with",
		"redis+://h":                    "must begin with",
		"unix+sentinel:///x":            "must begin with",
		"redis://":                      "host 1",
		"redis://h:0":                   "host 1",
		"redis://h:65536":               "host 1",
		"redis://a b":                   "host 1",
		"redis://::1":                   "host 1",
		"redis://[1.2.3.4]":             "host 1",
		"redis+cluster://a,,b":          "host 2",
		"redis://a,b":                   "several hosts",
		"redis://h/x":                   "database in the path",
		"redis://h/0/1":                 "database in the path",
		"redis://h/-1":                  "database in the path",
		"redis://h/1?db=1":              "give it once",
		"redis://h/0?db=1":              "give it once",
		"redis://h?db=1&db=2":           `parameter "db" is given more than once`,
		"redis://h?read_timeout=1s":     `parameter "read_timeout" is not known`,
		"redis://h?call_timeout=5":      `parameter "call_timeout" is not a duration`,
		"redis://h?call_timeout=-5s":    `parameter "call_timeout" is not a duration`,
		"redis://h?pool_size=0":         `parameter "pool_size" is not a whole number of 1`,
		"redis://h?pool_size=-1":        `parameter "pool_size" is not a whole number`,
		"redis://h?prefix=":             `parameter "prefix" is empty`,
		"redis://h?sentinel_password=x": "Sentinels",
		"redis://h?skip_verify=true":    "scheme one with TLS",
		"rediss://h?skip_verify=1":      "true or false",
		"redis+sentinel://h":            "name of the master",
		"redis+sentinel://h//0":         "name of the master",
		"unix://h/x":                    "absolute path",
		"unix://":                       "absolute path",
		"redis://u:%zz@h":               "percent-encoding",
		"redis://h/%zz":                 "percent-encoding",
		"redis://h?db=%zz":              "well-formed",
		"redis://u:p/w@h":               "percent-encode",
		"redis://u:p?w@h":               "percent-encode",
		"redis://u:p#w@h":               "percent-encode",
		"redis://h#x":                   "percent-encode",
	} {
		t.Run(url, func(t *testing.T) {
			_, err := parseURL(url)
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, "l2: URL: ")
		})
	}
}

func TestParseURLReportsAllErrors(t *testing.T) {
	_, err := parseURL("redis+sentinel://h:x?pool_size=x&call_timeout=x&foo=1")
	for _, want := range []string{"host 1", "master", "pool_size", "call_timeout", `"foo"`} {
		require.ErrorContains(t, err, want)
	}
}

func TestOpenReportsURLAndConfigTogether(t *testing.T) {
	_, err := Open(t.Context(), "redis://h?foo=1", Config{CallTimeout: -1, PoolSize: -2})
	for _, want := range []string{`"foo"`, "CallTimeout", "PoolSize"} {
		require.ErrorContains(t, err, want)
	}
	for url, c := range map[string]Config{
		"redis://h":             {TLS: new(tlsConfig)},
		"redis+cluster://h/1":   {},
		"redis+cluster://h":     {DB: 1},
		"rediss://h":            {SentinelPassword: "x"},
		"redis://h/9999999999":  {},
		"redis://h?prefix=a%7B": {},
	} {
		_, err := Open(t.Context(), url, c)
		require.Error(t, err, url)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Open(ended, "redis://h", Config{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestConfigWinsOverURL(t *testing.T) {
	u, err := parseURL("redis://u:p@h/1?prefix=url&call_timeout=1s")
	require.NoError(t, err)
	c := Config{Username: "cfg", Prefix: "cfg", DB: 2}.over(u.settings).withDefaults()
	require.Equal(t, "cfg", c.Username)
	require.Equal(t, "p", c.Password)
	require.Equal(t, "cfg", c.Prefix)
	require.Equal(t, 2, c.DB)
	require.Equal(t, time.Second, c.CallTimeout)
	require.Equal(t, DefaultDialTimeout, c.DialTimeout)
	require.NoError(t, c.validate())
}

// FuzzParseURL checks that nothing makes the parser panic, that what it accepts can be
// dialled, and that its errors never quote a password, wherever it landed.
func FuzzParseURL(f *testing.F) {
	for _, s := range []string{
		"redis://user:SEKRET@host:6379/0?pool_size=3", "redis://u:SEK/RET?SEKRET@h", "redis://h?SEKRET", "redis://h?SEKRET=1",
		"redis://u:SEKRET", "redis://SEKRET", "SEKRET", "SEKRET://h", "redis+sentinel://h/m/SEKRET?sentinel_password=SEKRET&sentinel_password=SEKRET",
		"unix://SEKRET/x", "redis://h:SEKRET", "redis://h/SEKRET", "redis://h?db=SEKRET", "redis://[SEKRET]", "redis://h?%SEKRET",
		"redis+cluster://a:1,b:2,SEKRET:SEKRET/", "rediss://h?skip_verify=SEKRET", "redis://u:SEKRET%zz@h",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, url string) {
		got, err := parseURL(url)
		if err != nil {
			if strings.Contains(err.Error(), "SEKRET") {
				t.Fatalf("the error quotes the URL: %v", err)
			}
			return
		}
		if (got.socket == "") == (len(got.addrs) == 0) {
			t.Fatalf("neither socket nor address, or both: %+v", got)
		}
		for _, addr := range got.addrs {
			host, port, err := net.SplitHostPort(addr)
			if err != nil || host == "" || port == "" || port == "0" {
				t.Fatalf("address %q of %q", addr, url)
			}
		}
		s := got.settings
		if s.DB < 0 || s.PoolSize < 0 || s.MaxFrameBytes < 0 || s.CallTimeout < 0 || s.DialTimeout < 0 {
			t.Fatalf("negative settings: %+v", s)
		}
	})
}
