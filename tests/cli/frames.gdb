# What gdb finds of every thread of a core: "TID PC" of each frame, innermost
# first, at most 200. Those that it infers of calls that left nothing on the
# stack (tail calls), and the nowhere that some stacks end in, are left out.
set pagination off
set backtrace past-main on
python
import gdb

def frames():
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            yield frame.pc()
        try:
            frame = frame.older()
        except gdb.error:
            return

for thread in gdb.selected_inferior().threads():
    thread.switch()
    found = []
    for pc in frames():
        found.append(pc)
        if len(found) == 200:
            break
    if found[-1] == 0:
        found.pop()
    for pc in found:
        print(thread.ptid[1], hex(pc))
end
