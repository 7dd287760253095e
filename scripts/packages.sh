# The Debian packages that the project needs, by purpose; sourced by run.sh and test.sh.
#   ensure_packages build          what compiles and runs the proxy
#   ensure_packages build test     ... and what its tests talk to
# Nothing is done, in a few milliseconds, when all are there. What is missing is installed as root;
# anyone else is told the command. Services that packages bring are never started.

# An entry is a package, or package:command when the command from elsewhere serves as well.
packages_for() {
  case $1 in
    build) echo g++ cmake ninja-build ccache pkg-config libboost1.81-dev libssl-dev libre2-dev \
             libyaml-cpp-dev libc-ares-dev libseccomp-dev libgtest-dev libgmock-dev nlohmann-json3-dev \
             $([[ $(dpkg --print-architecture) != amd64 ]] || echo libipsec-mb-dev) ;;
    run)   echo ca-certificates ;;
    test)  echo clang-format:clang-format git:git curl openssl python3 python3-pytest \
             python3-pytest-xdist python3-cryptography nginx-light apache2-bin haproxy \
             libapache2-mod-auth-gssapi gss-ntlmssp nodejs:node npm:npm iproute2 nftables procps \
             util-linux user-mode-linux kmod dnsmasq-base:dnsmasq faketime:faketime slowhttptest sslscan \
             testssl.sh:testssl ;;
    perf)  echo nginx-light haproxy h2o wrk libbenchmark-dev python3 python3-cryptography util-linux ;;
    full)  echo clang-tidy:clang-tidy clang:clang++ libbenchmark-dev chromium ;;
    *)     echo "packages_for: no purpose is called '$1'" >&2; return 1 ;;
  esac
}

missing_packages() {  # entries... -> the packages to install, one a line
  local entry wanted=()
  for entry in "$@"; do
    if [[ $entry == *:* ]] && command -v "${entry#*:}" >/dev/null; then continue; fi
    wanted+=("${entry%%:*}")
  done
  ((${#wanted[@]})) || return 0
  # Only names of packages that are fully installed are taken off the list.
  comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null |
      sed -n 's/^installed //p' | sort -u)
}

# Installs with services forbidden, puts back what answered before, and checks that none is running.
install_quietly() (
  set -e
  policy=/usr/sbin/policy-rc.d
  saved=$(mktemp -d)
  [[ ! -e $policy ]] || mv "$policy" "$saved/"
  trap 'rm -f "$policy"; [[ ! -e $saved/policy-rc.d ]] || mv "$saved/policy-rc.d" "$policy"; rmdir "$saved"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"

  export DEBIAN_FRONTEND=noninteractive
  running() { grep -lxE 'nginx|apache2|haproxy|h2o' /proc/[0-9]*/comm 2>/dev/null | sort || true; }
  before=$(running)
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null
  for package in "$@"; do
    # A test's origin is started by the test; the machine's next boot must not start one.
    service=${package%-light}
    [[ $service =~ ^(nginx|haproxy|h2o)$ ]] || continue
    update-rc.d "$service" disable >/dev/null 2>&1 ||
      echo "packages: $service stays enabled at boot; disable it if this machine should not run it" >&2
  done
  started=$(comm -13 <(echo "$before") <(running))
  if [[ -n $started ]]; then
    echo "packages: the installation left a service running: $(echo $started)" >&2
    exit 1
  fi
)

ensure_packages() {
  local purpose entries missing
  entries=$(for purpose in "$@"; do packages_for "$purpose" || exit 1; done) || return 1
  missing=$(missing_packages $entries)
  [[ -n $missing ]] || return 0
  missing=$(echo $missing)
  if ((EUID != 0)); then
    echo "These Debian packages are missing; as root:" >&2
    echo "  apt-get install --no-install-recommends $missing" >&2
    return 1
  fi
  echo "Installing: $missing"
  install_quietly $missing
}
