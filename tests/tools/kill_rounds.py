#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Kills workers at random moments under load, and checks what became of each request.

    kill_rounds.py run MASTER_PID HOST:PORT OUT --rounds N --seconds S [--seed N]
        four clients send requests, each of a trace of its own, while workers are killed, one a round,
        for N rounds or S seconds; writes what the clients saw to OUT
    kill_rounds.py check OUT SPANS
        each request that was answered is one span; each whose worker was killed is one with the
        error, or was never begun; no span belongs to nobody. A span may have been sent twice when
        its worker was killed between sending and noting it. Prints how many spans there are.
"""
import argparse
import collections
import http.client
import json
import os
import random
import signal
import sys
import threading
import time

from spans import load

CLIENTS = 4
PATIENCE = 15  # seconds that a killed worker may take to be replaced


def children(pid):
    with open('/proc/%d/task/%d/children' % (pid, pid), encoding='ascii') as file:
        return [int(child) for child in file.read().split()]


def is_dead(pid):
    try:
        with open('/proc/%d/stat' % pid, encoding='ascii') as file:
            return file.read().rpartition(')')[2].split()[0] == 'Z'
    except OSError:
        return True


class Clients:
    def __init__(self, address):
        self.address = address
        self.numbers = iter(range(1, sys.maxsize))
        self.seen = {}
        self.lock = threading.Lock()
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.done.is_set():
            with self.lock:
                number = next(self.numbers)
            self.seen[number] = self.ask(number)

    def ask(self, number):
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        try:
            connection.request('GET', '/sleep?ms=1', headers={'uber-trace-id': '%x:1:0:1' % number})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def stop(self):
        self.done.set()
        for thread in self.threads:
            thread.join()
        return self.seen


def kill_one(master, chance):
    workers = children(master)
    victim = chance.choice(workers)
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE
    while len(set(children(master)) - {victim}) < len(workers):
        if time.monotonic() > deadline:
            sys.exit('worker %d was not replaced' % victim)
        if is_dead(victim):
            os.kill(master, signal.SIGUSR1)  # the master looks now, not within a second
        time.sleep(0.01)


def run(options):
    seed = options.seed or random.SystemRandom().randrange(1, 1 << 32)
    print('seed', seed, flush=True)
    chance = random.Random(seed)
    clients = Clients(options.address)
    end = time.monotonic() + options.seconds
    rounds = 0
    try:
        while rounds < options.rounds and time.monotonic() < end:
            time.sleep(chance.random() * 0.1)
            kill_one(options.master, chance)
            rounds += 1
    finally:
        seen = clients.stop()
    print('rounds', rounds, 'requests', len(seen), 'hung up', list(seen.values()).count(0))
    with open(options.out, 'w', encoding='ascii') as file:
        json.dump({'rounds': rounds, 'seen': seen}, file)


def check(options):
    with open(options.out, encoding='ascii') as file:
        found = json.load(file)
    seen = {int(number): status for number, status in found['seen'].items()}
    spans = collections.defaultdict(dict)  # by request, by id
    sent = load(options.spans)
    for span in sent:
        spans[int(span['trace'], 16)][span['span']] = span
    wrong = []
    for number in set(seen) | set(spans):
        status, mine = seen.get(number), list(spans[number].values())
        if status is None:
            wrong.append('request %d was never sent' % number)
        elif len(mine) > 1 or (status == 200 and not mine):
            wrong.append('request %d, answered %d, is %d spans' % (number, status, len(mine)))
        # Killed when the answer was out and the end not noted: an error, all the same.
        elif mine and mine[0]['status'] != 200 and mine[0]['tags'].get('error.type') not in (
                'SIGKILL', 'killed'):
            wrong.append('request %d: %s' % (number, mine[0]['tags']))
    distinct = sum(len(mine) for mine in spans.values())
    killed = [span for mine in spans.values() for span in mine.values() if span['status'] != 200]
    unseen = [span for span in killed if span['tags']['error.type'] == 'killed']
    if not killed:
        wrong.append('no request was killed')
    if len(unseen) * 20 > len(killed):  # the master looks, and buries: hardly anything is between
        wrong.append('of %d requests killed nobody saw the death of %d' % (len(killed), len(unseen)))
    print('spans', distinct, 'killed', len(killed), 'unseen', len(unseen), 'sent twice',
          len(sent) - distinct, file=sys.stderr)
    print(distinct)
    return '\n'.join(wrong[:20]) or None


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest='command', required=True)
    command = commands.add_parser('run')
    command.add_argument('master', type=int)
    command.add_argument('address')
    command.add_argument('out')
    command.add_argument('--rounds', type=int, required=True)
    command.add_argument('--seconds', type=float, required=True)
    command.add_argument('--seed', type=int)
    command = commands.add_parser('check')
    command.add_argument('out')
    command.add_argument('spans')
    options = parser.parse_args()
    return run(options) if options.command == 'run' else check(options)


if __name__ == '__main__':
    sys.exit(main())
