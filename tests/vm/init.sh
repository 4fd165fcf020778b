#!/bin/busybox sh
# SPDX-License-Identifier: BSD-3-Clause
#
# init.sh - the guest's first process: loads the modules, brings up the network, then does what the host asks for
#
# The host sends commands through the second serial port, a line each. Each answer is what the command printed, with "|"
# in front of each line, and then "=" and its exit status. The kernel's messages and the server's log go to the first port.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

# Their names begin with their order.
for module in /modules/*.ko; do
    insmod "$module" || echo "init: insmod $module failed"
done
ip link set lo up
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up

tries=0
while [ ! -b /dev/pmem0 ] && [ $tries -lt 500 ]; do
    tries=$((tries + 1))
    usleep 10000
done

stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
echo "@ready" >&3
while IFS= read -r line <&3; do
    sh -c "$line" >/tmp/answer 2>&1 3>&- </dev/null
    status=$?
    awk '{ print "|" $0 }' /tmp/answer >&3
    echo "=$status" >&3
done
poweroff -f
