#!/bin/sh
# Takes away from group and others what the service keeps in these directories, and makes those that are not there.
#
# The kubelet gives all that is on a volume with fsGroup to that group, readable and writable: the first time, after the
# volume was restored, and at each start where fsGroupChangePolicy is Always. The service then refuses its own files, for
# it cannot tell who has read them. Here it is known: the group is the pod's own. What others own stays as it is.
set -eu
umask 077
for directory in "$@"; do
    mkdir -p "$directory"
    find "$directory" -mindepth 1 -user "$(id -u)" ! -type l -exec chmod g-rwxs,o-rwx {} +
done
