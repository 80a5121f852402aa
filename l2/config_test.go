package l2

import (
	"context"
	"crypto/tls"
	"reflect"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"
)

type tlsConfig = tls.Config

func TestZeroConfigIsValid(t *testing.T) {
	c := Config{}.withDefaults()
	require.NoError(t, c.validate())
	require.Equal(t, 100*time.Millisecond, c.CallTimeout)
	require.Equal(t, 300*time.Millisecond, c.DialTimeout)
	require.Equal(t, 64<<20+64<<10, c.MaxFrameBytes)
	require.Equal(t, "tc", c.Prefix)
	require.GreaterOrEqual(t, c.PoolSize, 20)
}

func TestConfigErrorsNameEveryField(t *testing.T) {
	c := Config{
		CallTimeout: -1, DialTimeout: -1, DB: -1, MaxFrameBytes: -1, PoolSize: -1, Prefix: "a{",
		Credentials:      func(context.Context) (string, string, error) { return "", "", nil },
		Password:         "SEKRET",
		SentinelUsername: "x",
	}
	err := c.withDefaults().validate()
	for _, field := range []string{"CallTimeout", "DialTimeout", "DB", "MaxFrameBytes", "PoolSize", "Prefix", "Credentials", "SentinelUsername"} {
		require.ErrorContains(t, err, "l2: Config."+field)
	}
	require.NotContains(t, err.Error(), "SEKRET")
	require.ErrorContains(t, Config{MaxFrameBytes: 1 << 30}.withDefaults().validate(), "MaxFrameBytes")
}

// TestNewRefusesConnectionSettings sets each field in turn, so that a new one cannot be
// forgotten and silently ignored.
func TestNewRefusesConnectionSettings(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	defer client.Close()
	applies := map[string]bool{"CallTimeout": true, "MaxFrameBytes": true, "Prefix": true}
	for i := range reflect.TypeFor[Config]().NumField() {
		var c Config
		field, value := reflect.TypeFor[Config]().Field(i), reflect.ValueOf(&c).Elem().Field(i)
		switch value.Kind() {
		case reflect.String:
			value.SetString("x")
		case reflect.Int, reflect.Int64:
			value.SetInt(int64(time.Second))
			if field.Name == "MaxFrameBytes" {
				value.SetInt(1)
			}
		case reflect.Pointer:
			value.Set(reflect.New(field.Type.Elem()))
		case reflect.Func:
			value.Set(reflect.MakeFunc(field.Type, nil))
		}
		_, err := New(client, c)
		if applies[field.Name] {
			require.NoError(t, err, field.Name)
		} else {
			require.ErrorContains(t, err, "Config."+field.Name)
		}
	}
}

func TestNewRefusesNil(t *testing.T) {
	for _, client := range []redis.UniversalClient{nil, (*redis.Client)(nil), (*redis.ClusterClient)(nil), (*redis.Ring)(nil)} {
		_, err := New(client, Config{})
		require.ErrorContains(t, err, "nil")
	}
}

func TestNewTakesTheDatabaseOfTheClient(t *testing.T) {
	client := redis.NewClient(&redis.Options{DB: 5})
	defer client.Close()
	r, err := New(client, Config{Prefix: "p"})
	require.NoError(t, err)
	require.Equal(t, "p:5:1:v:{space:x}", r.names.value(key("x")))
}

// The settings that keep calls short, by topology: losing one shows only when Redis hangs.
func TestClientSettings(t *testing.T) {
	c := Config{}.withDefaults()
	own := &tls.Config{MinVersion: tls.VersionTLS13}
	c.TLS = own
	for _, url := range []string{"rediss://127.0.0.1:1?skip_verify=true", "rediss+sentinel://127.0.0.1:1/m", "rediss+cluster://127.0.0.1:1"} {
		u, err := parseURL(url)
		require.NoError(t, err)
		client := u.client(c)
		defer client.Close()
		switch cl := client.(type) {
		case *redis.Client:
			o := cl.Options()
			require.True(t, o.ContextTimeoutEnabled)
			require.Equal(t, 1, o.DialerRetries)
			require.Equal(t, 1, o.MaxRetries)
			require.Equal(t, c.CallTimeout, o.ReadTimeout)
			require.Equal(t, c.CallTimeout, o.WriteTimeout)
			require.Equal(t, c.CallTimeout, o.PoolTimeout)
			require.Equal(t, c.DialTimeout, o.DialTimeout)
			require.Equal(t, c.PoolSize, o.PoolSize)
			require.Negative(t, o.PipelinePoolSize)
			require.True(t, o.DisableIdentity)
			require.Equal(t, maintnotifications.ModeDisabled, o.MaintNotificationsConfig.Mode)
		case *redis.ClusterClient:
			o := cl.Options()
			require.True(t, o.ContextTimeoutEnabled)
			require.Equal(t, 1, o.DialerRetries)
			require.Equal(t, c.CallTimeout, o.ReadTimeout)
			require.Equal(t, c.CallTimeout, o.PoolTimeout)
			require.Equal(t, c.PoolSize, o.PoolSize)
			require.Negative(t, o.PipelinePoolSize)
			require.True(t, o.DisableIdentity)
			require.True(t, o.DisableRoutingPolicies)
			require.Equal(t, maintnotifications.ModeDisabled, o.MaintNotificationsConfig.Mode)
		}
	}
	require.False(t, own.InsecureSkipVerify, "the caller's configuration was altered")
}

// What is for the Sentinels goes to them, what is for the servers with data does not.
func TestSentinelCredentials(t *testing.T) {
	u, err := parseURL("redis+sentinel://u:p@a/m/1?sentinel_username=su&sentinel_password=sp")
	require.NoError(t, err)
	o := u.failoverOptions(Config{}.over(u.settings).withDefaults())
	require.Equal(t, []string{"u", "p", "su", "sp", "m"},
		[]string{o.Username, o.Password, o.SentinelUsername, o.SentinelPassword, o.MasterName})
	require.Equal(t, 1, o.DB)

	u, err = parseURL("redis+sentinel://u:p@a/m")
	require.NoError(t, err)
	o = u.failoverOptions(Config{}.over(u.settings).withDefaults())
	require.Empty(t, o.SentinelUsername+o.SentinelPassword)
}
