/* A disk that is full when a test says so: loaded into a server before its own libraries, it refuses
 * whatever would make a file larger once so many bytes have been added. Overwriting works, as it does on
 * a real one.
 *
 * What the test and every process of the server share is a file, see `shared`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct shared {
    _Atomic int64_t left;    /* bytes that may still be added */
    _Atomic int64_t grown;   /* bytes that were added */
    _Atomic int64_t refused; /* calls that were refused */
    char only[232];          /* what the path of a file holds that counts */
};

static struct shared *shared;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DOWNHAUL_KIT_DISK");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) shared = at;
    close(fd);
}

/* Whether the file behind `fd` may hold `end` bytes. */
static int fits(int fd, int64_t end) {
    struct stat file;
    char link[40], path[4096];
    if (!shared || fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) || end <= file.st_size) return 1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 1;
    path[length] = 0;
    if (!strstr(path, shared->only)) return 1;
    int64_t more = end - file.st_size;
    if (atomic_fetch_sub(&shared->left, more) < more) {
        atomic_fetch_add(&shared->left, more);
        atomic_fetch_add(&shared->refused, 1);
        return 0;
    }
    atomic_fetch_add(&shared->grown, more);
    return 1;
}

/* Where a `write` begins. */
static int64_t place(int fd) {
    struct stat file;
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_APPEND) && fstat(fd, &file) == 0) return file.st_size;
    return lseek(fd, 0, SEEK_CUR);
}

static int64_t total(const struct iovec *parts, int count) {
    int64_t bytes = 0;
    for (int i = 0; i < count; i++) bytes += parts[i].iov_len;
    return bytes;
}

#define REAL(name) (real ? real : (real = (__typeof__(real))dlsym(RTLD_NEXT, name)))
#define REFUSE return (errno = ENOSPC, -1)

ssize_t write(int fd, const void *bytes, size_t count) {
    static ssize_t (*real)(int, const void *, size_t);
    if (shared && !fits(fd, place(fd) + (int64_t)count)) REFUSE;
    return REAL("write")(fd, bytes, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    static ssize_t (*real)(int, const struct iovec *, int);
    if (shared && !fits(fd, place(fd) + total(parts, count))) REFUSE;
    return REAL("writev")(fd, parts, count);
}

#define PWRITE(name)                                                            \
    ssize_t name(int fd, const void *bytes, size_t count, off_t at) {           \
        static ssize_t (*real)(int, const void *, size_t, off_t);               \
        if (!fits(fd, (int64_t)at + (int64_t)count)) REFUSE;                    \
        return REAL(#name)(fd, bytes, count, at);                               \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define PWRITEV(name)                                                           \
    ssize_t name(int fd, const struct iovec *parts, int count, off_t at) {      \
        static ssize_t (*real)(int, const struct iovec *, int, off_t);          \
        if (!fits(fd, (int64_t)at + total(parts, count))) REFUSE;               \
        return REAL(#name)(fd, parts, count, at);                               \
    }
PWRITEV(pwritev)
PWRITEV(pwritev64)

#define FALLOCATE(name)                                                         \
    int name(int fd, int mode, off_t at, off_t count) {                         \
        static int (*real)(int, int, off_t, off_t);                             \
        if (!(mode & FALLOC_FL_KEEP_SIZE) && !fits(fd, (int64_t)at + count)) REFUSE; \
        return REAL(#name)(fd, mode, at, count);                                \
    }
FALLOCATE(fallocate)
FALLOCATE(fallocate64)

#define POSIX_FALLOCATE(name)                                                   \
    int name(int fd, off_t at, off_t count) {                                   \
        static int (*real)(int, off_t, off_t);                                  \
        if (!fits(fd, (int64_t)at + count)) return ENOSPC;                      \
        return REAL(#name)(fd, at, count);                                      \
    }
POSIX_FALLOCATE(posix_fallocate)
POSIX_FALLOCATE(posix_fallocate64)
