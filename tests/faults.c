/* Faults of the machine for one process: preloaded, it lets calls on chosen files fail.

   FAULT_PATH   part of the path of the files meant
   FAULT_CALLS  which calls, as in "write,fsync"
   FAULT_ERRNO  with which number they fail
   FAULT_AFTER  so many of these calls succeed first
   FAULT_TIMES  so many fail then; 0 for all from then on
   FAULT_COUNT  a file into which the number of matching calls is written at the end
   CLOCK_SHIFT  seconds by which the wall clock is off
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static atomic_long seen;

static long number(const char *name, long otherwise) {
    const char *value = getenv(name);
    return value ? atol(value) : otherwise;
}

static int is_meant(const char *call, const char *path) {
    const char *part = getenv("FAULT_PATH"), *calls = getenv("FAULT_CALLS");
    if (!part || !calls || !path || !strstr(path, part)) return 0;
    size_t length = strlen(call);
    for (const char *at = strstr(calls, call); at; at = strstr(at + 1, call))
        if ((at == calls || at[-1] == ',') && (at[length] == ',' || !at[length])) return 1;
    return 0;
}

/* Whether this call is to fail; errno is set then. */
static int fails(const char *call, const char *path) {
    if (!is_meant(call, path)) return 0;
    long place = atomic_fetch_add(&seen, 1), after = number("FAULT_AFTER", 0);
    long times = number("FAULT_TIMES", 0);
    if (place < after || (times && place >= after + times)) return 0;
    errno = (int)number("FAULT_ERRNO", EIO);
    return 1;
}

static int fails_on(const char *call, int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(call, path);
}

__attribute__((destructor)) static void tell(void) {
    const char *place = getenv("FAULT_COUNT");
    FILE *file = place ? fopen(place, "w") : NULL;
    if (file) {
        fprintf(file, "%ld", atomic_load(&seen));
        fclose(file);
    }
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *data, size_t size) {
    return fails_on("write", file) ? -1 : NEXT(write)(file, data, size);
}
ssize_t writev(int file, const struct iovec *pieces, int count) {
    return fails_on("write", file) ? -1 : NEXT(writev)(file, pieces, count);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t at) {
    return fails_on("write", file) ? -1 : NEXT(pwrite)(file, data, size, at);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    return fails_on("write", file) ? -1 : NEXT(pwrite64)(file, data, size, at);
}
ssize_t pread64(int file, void *data, size_t size, off64_t at) {
    return fails_on("read", file) ? -1 : NEXT(pread64)(file, data, size, at);
}
ssize_t pread(int file, void *data, size_t size, off_t at) {
    return fails_on("read", file) ? -1 : NEXT(pread)(file, data, size, at);
}
ssize_t read(int file, void *data, size_t size) {
    return fails_on("read", file) ? -1 : NEXT(read)(file, data, size);
}
int fsync(int file) { return fails_on("fsync", file) ? -1 : NEXT(fsync)(file); }
int fdatasync(int file) { return fails_on("fsync", file) ? -1 : NEXT(fdatasync)(file); }
int ftruncate(int file, off_t size) {
    return fails_on("truncate", file) ? -1 : NEXT(ftruncate)(file, size);
}
int ftruncate64(int file, off64_t size) {
    return fails_on("truncate", file) ? -1 : NEXT(ftruncate64)(file, size);
}
int rename(const char *from, const char *to) {
    return fails("rename", to) ? -1 : NEXT(rename)(from, to);
}
int link(const char *from, const char *to) {
    return fails("link", to) ? -1 : NEXT(link)(from, to);
}
int mkdir(const char *path, mode_t mode) {
    return fails("mkdir", path) ? -1 : NEXT(mkdir)(path, mode);
}
int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    return fails("open", path) ? -1 : NEXT(open64)(path, flags, mode);
}
int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    return fails("open", path) ? -1 : NEXT(open)(path, flags, mode);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = NEXT(clock_gettime)(clock, now);
    if (!done && clock == CLOCK_REALTIME) now->tv_sec += number("CLOCK_SHIFT", 0);
    return done;
}
time_t time(time_t *place) {
    time_t now = NEXT(time)(NULL) + number("CLOCK_SHIFT", 0);
    if (place) *place = now;
    return now;
}
int gettimeofday(struct timeval *now, void *zone) {
    int done = NEXT(gettimeofday)(now, zone);
    if (!done) now->tv_sec += number("CLOCK_SHIFT", 0);
    return done;
}
