#!/bin/bash
# The first process of a user-mode Linux whose root is this machine's: loads kernel TLS, runs the
# scenarios named in the file "command" of FOLDER, and halts.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
folder=$1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm /dev/pts
ip link set lo up
modules=/usr/lib/uml/modules/$(uname -r)/kernel
# Without the ciphers the kernel refuses, and does not say why.
for module in crypto/gf128mul lib/crypto/libchacha lib/crypto/libpoly1305 crypto/poly1305_generic \
  crypto/chacha_generic crypto/ghash-generic crypto/ctr crypto/gcm crypto/ccm \
  crypto/chacha20poly1305 net/tls/tls; do
  insmod "$modules/$module.ko" || echo "cannot load $module"
done
export TMPDIR=$folder/tmp OCSPROXY_PATIENCE=6
mkdir -p "$TMPDIR"
chmod 755 "$TMPDIR"
mapfile -t command <"$folder/command"
"${command[@]}" >"$folder/output" 2>&1
echo $? >"$folder/status"
sync
poweroff -f
