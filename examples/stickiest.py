"""A rule of one's own: what begins alike goes to the same host, whose cache may know it."""

from zlib import crc32


def stickiest(job):
    """Gives, for each prompt that comes, the host that its first 40 characters stand for."""

    def choose(prompt):
        hosts = job.standing or job.hosts
        return hosts[crc32(prompt.text[:40].encode()) % len(hosts)]

    return choose
