# sh -c SCRIPT node NAME FOLDER: makes of the namespaces that it is started in those of a node, says so in FOLDER/ready,
# and stays: as process 1 it waits for whatever is left behind in there, and all of it ends with it.
set -eu
name=$1 folder=$2
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
# Before anything covers the way to it. containerd's file systems cannot lie on an overlay.
mkdir /run/node
mount --bind "$folder" /run/node
for covered in etc var; do
  mount -t overlay overlay \
    -o "lowerdir=/$covered,upperdir=/run/node/$covered/upper,workdir=/run/node/$covered/work" "/$covered"
done
# kubelet sets these for the whole machine where they are not as it wants them. It finds them so, and leaves them alone.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=/run/settings/${setting%=*}
  mkdir -p "${file%/*}"
  echo "${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done
hostname "$name"
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
: >/run/node/ready
sleep infinity &
wait
