"""How long the browser lets one wait: from its start to its first screen, and
from a key to what it changes on the screen. Drives it in a pseudo-terminal."""
import fcntl
import os
import pty
import re
import select
import signal
import statistics
import struct
import termios
import time

ROWS, COLUMNS = 50, 160
QUIET_S = 0.004  # without output: the screen is drawn
PATIENCE_S = 120
GOAL_KEY_MS = 30
GOAL_FIRST_S = 0.3
GOAL_MIB = 256
PAGE_DOWN, PAGE_UP = b'\x1b[6~', b'\x1b[5~'
REDRAW = b'\x0c'
# What somebody does in a long list: row by row, screen by screen, to its ends.
KEYS = [b'j'] * 20 + [PAGE_DOWN] * 20 + [b'G'] + \
    [PAGE_UP] * 20 + [b'g', b'G'] * 5 + [b'k'] * 20


class Browser:
    """The program in a terminal of its own."""

    def __init__(self, command):
        self.started = time.monotonic()
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ.update(TERM='xterm', LC_ALL='C.UTF-8')
            fcntl.ioctl(0, termios.TIOCSWINSZ,
                        struct.pack('HHHH', ROWS, COLUMNS, 0, 0))
            os.execvp(command[0], command)
        self.text = ''

    def read(self, timeout):
        """True: something was drawn within TIMEOUT seconds."""
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            data = b''
        if not data:
            raise SystemExit(f'the browser ended:\n{self.text[-2000:]}')
        self.text += re.sub(r'\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]', '',
                            data.decode('utf-8', 'replace'))
        return True

    def until(self, pattern):
        """Seconds since its start, when PATTERN has come."""
        ends = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.text):
            if time.monotonic() > ends:
                raise SystemExit(f'"{pattern}" never came:\n{self.text[-2000:]}')
            # what is drawn over something else comes in pieces
            if not self.read(0.5):
                self.press(REDRAW)
        return time.monotonic() - self.started

    def press(self, key):
        """Milliseconds until the last of what KEY changes is drawn."""
        self.text = ''
        pressed = drawn = time.monotonic()
        os.write(self.fd, key)
        timeout = PATIENCE_S
        while self.read(timeout):
            drawn = time.monotonic()
            timeout = QUIET_S
        return (drawn - pressed) * 1000

    def peak_mib(self):
        with open(f'/proc/{self.pid}/status', encoding='utf-8') as status:
            return next(int(line.split()[1]) / 1024 for line in status
                        if line.startswith('VmHWM:'))

    def close(self):
        os.kill(self.pid, signal.SIGTERM)
        try:
            while os.read(self.fd, 1 << 16):
                pass
        except OSError:
            pass
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def first_screen(command):
    """Seconds to the first screen, and until everything is read."""
    browser = Browser(command)
    try:
        return {'first_s': browser.until('WHAT RSS IS MADE OF'),
                'all_s': browser.until('VERDICT')}
    finally:
        browser.close()


def keys(command, rows):
    """Latencies in a list of ROWS chunks, by address and by size; own memory."""
    browser = Browser(command)
    try:
        browser.until('VERDICT')
        browser.press(b'4')
        listed = ' '.join(f'{rows:,}'.split(','))[:-4]
        browser.until(f'of {listed}')
        found = {'by address': [browser.press(key) for key in KEYS]}
        browser.press(b'S')
        browser.until(f'1 of {listed}')
        found['by size'] = [browser.press(key) for key in KEYS]
        return found, browser.peak_mib()
    finally:
        browser.close()


def report_first(found):
    median = {key: statistics.median(one[key] for one in found)
              for key in found[0]}
    print(f"first screen: {median['first_s']:.2f} s (goal: {GOAL_FIRST_S} s), "
          f"everything read: {median['all_s']:.1f} s")
    return median


def report_keys(found, peak):
    result = {'peak_mib': peak}
    for order, latencies in found.items():
        result[order] = {'median_ms': statistics.median(latencies),
                         'worst_ms': max(latencies)}
        print(f"a key, {order}: median {result[order]['median_ms']:.1f} ms "
              f"(goal: {GOAL_KEY_MS} ms), worst "
              f"{result[order]['worst_ms']:.1f} ms, {len(latencies)} keys")
    print(f'own memory: {peak:.0f} MiB at most (goal: {GOAL_MIB} MiB)')
    return result
