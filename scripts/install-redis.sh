#!/bin/sh
# Installs redis-server where it is missing, through apt or brew, and says so. The tests
# start their own processes on free loopback ports: no service is set up or touched.
set -eu

if command -v redis-server >/dev/null 2>&1; then
	exit 0
fi
echo "redis-server is missing; the tests need it. Installing it."
as_root=""
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null 2>&1; then
	as_root="sudo"
fi
if command -v apt-get >/dev/null 2>&1; then
	$as_root apt-get update -qq
	# The policy file keeps Debian from starting a server of its own on port 6379.
	if [ ! -e /usr/sbin/policy-rc.d ] && [ -w /usr/sbin ]; then
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod +x /usr/sbin/policy-rc.d
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	fi
	DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends redis-server
elif command -v brew >/dev/null 2>&1; then
	brew install redis
else
	echo "neither apt-get nor brew is here: install Redis 6.0 or later, or Valkey, with redis-server on the PATH" >&2
	exit 1
fi
if ! command -v redis-server >/dev/null 2>&1; then
	echo "redis-server is still not on the PATH" >&2
	exit 1
fi
redis-server --version
