#!/bin/sh
# Makes a camera of vivid: its HDMI output is looped to its HDMI input.
#   camera.sh WIDTH HEIGHT FPS
# The rate is the signal's; vivid knows none with a pixel clock below 14 MHz.
set -eu
modprobe vivid
udevadm settle
for node in /dev/video0 /dev/video1; do
    v4l2-ctl -d "$node" --set-dv-bt-timings "cvt,width=$1,height=$2,fps=$3"
done
v4l2-ctl -d /dev/video0 --set-fmt-video="width=$1,height=$2,pixelformat=YUYV"
v4l2-ctl -d /dev/video1 --set-fmt-video-out="width=$1,height=$2,pixelformat=YUYV"
# Two: no text over the picture.
v4l2-ctl -d /dev/video0 --set-ctrl=loop_video=1,osd_text_mode=2
