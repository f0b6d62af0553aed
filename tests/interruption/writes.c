/* Every call by which a process changes files below one folder: counted, recorded, or the last one.

   Preloaded, it does nothing until the process itself calls ``writes_arm``; what it forks and
   executes starts unarmed. A call's point is its name, the kind of its file and the site in the
   code that is at it, "pwrite vectors.f32 @ storage/matrix.py:append"; names of files that differ
   from run to run are one kind. Which site that is the interpreter is asked, by threads of its own. At the chosen occurrence of a point the process is ended by SIGKILL
   before the call is done, after half of its bytes, or after it.
*/
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BEFORE, HALF, AFTER };

/* What one call does, as the log has it. */
struct call {
    const char *name;
    char path[PATH_MAX], other[PATH_MAX], point[PATH_MAX];
    const void *data;
    size_t size;
    off_t at;
    long inode;
    int fd;
};

static char root[PATH_MAX];
static size_t root_length;
static char wanted[PATH_MAX];
static int log_file = -1, how, records_data;
static long occurrence, occurred;
static int armed;
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local int inside;
static void (*ask_site)(char *, size_t);
static void *(*own_state)(void);

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Begin: ``point`` empty for none to be killed at; ``data`` whether what is written is recorded. */
void writes_arm(const char *folder, int file, const char *point, long nth, int moment, int data,
                void (*site)(char *, size_t)) {
    ask_site = site, own_state = dlsym(RTLD_DEFAULT, "PyGILState_GetThisThreadState");
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    snprintf(wanted, sizeof wanted, "%s", point);
    log_file = file, occurrence = nth, how = moment, records_data = data, occurred = 0;
    armed = 1;
}

void writes_disarm(void) { armed = 0; }

static void put(const void *data, size_t size) {
    for (const char *at = data; size;) {
        long written = syscall(SYS_write, log_file, at, size);
        if (written <= 0) _exit(97);
        at += written, size -= written;
    }
}

/* A line of what the code under test has promised by now. */
void writes_mark(const char *text) {
    char line[512];
    int length = snprintf(line, sizeof line, "mark\t%s\n", text);
    pthread_mutex_lock(&one_at_a_time);
    if (armed) put(line, length);
    pthread_mutex_unlock(&one_at_a_time);
}

/* The absolute path without "." and "//"; links are left as they are. */
static void absolute(int folder, const char *path, char *out) {
    char base[PATH_MAX] = "";
    if (path[0] != '/') {
        char link[64];
        if (folder == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) base[0] = 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = readlink(link, base, sizeof base - 1);
            base[length < 0 ? 0 : length] = 0;
        }
    }
    char whole[2 * PATH_MAX];
    snprintf(whole, sizeof whole, "%s/%s", base, path);
    size_t length = 0;
    for (char *rest = NULL, *part = strtok_r(whole, "/", &rest); part;
         part = strtok_r(NULL, "/", &rest))
        if (strcmp(part, ".")) length += snprintf(out + length, PATH_MAX - length, "/%s", part);
    out[length] = 0;
}

static int is_below(const char *path) {
    return !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* Numbers and hexadecimal names stand for all of their kind. */
static void kind_of(const char *path, char *out, size_t size) {
    const char *at = path[root_length] ? path + root_length + 1 : ".";
    size_t length = 0;
    while (*at && length + 2 < size) {
        size_t hex = strspn(at, "0123456789abcdef"), digits = strspn(at, "0123456789");
        size_t skipped = hex >= 32 ? hex : digits;
        if (!strncmp(at, ".tmp", 4)) skipped = strcspn(at, "/");
        if (!strcmp(at, ".f32")) length += snprintf(out + length, size - length, "%s", at), at += 4;
        else if (skipped) out[length++] = '#', at += skipped;
        else out[length++] = *at++;
    }
    out[length] = 0;
}

static void log_call(struct call *call) {
    size_t size = records_data && call->data ? call->size : 0;
    char line[3 * PATH_MAX];
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\t%ld\t%lld\t%zu\t%zu\t%s\n", call->name,
                          call->path + root_length, call->other[0] ? call->other + root_length : "",
                          call->inode, (long long)call->at, call->size, size, call->point);
    put(line, length);
    if (size) put(call->data, size);
}

/* Temporary files: some libraries rename them without the C library, so that it is only seen
   afterwards that they have another name. No call of ours lies in between. */
static struct { char path[PATH_MAX]; ino_t inode; } drafts[8];
static int draft_count;

static void see_renamed(void) {
    for (int i = 0; i < draft_count; i++) {
        struct stat facts;
        if (!lstat(drafts[i].path, &facts)) continue;
        struct call call = {.name = "rename", .inode = (long)drafts[i].inode, .fd = -1};
        snprintf(call.other, sizeof call.other, "%s", drafts[i].path);
        char *name = strrchr(drafts[i].path, '/');
        *name = 0;
        DIR *folder = opendir(drafts[i].path);
        for (struct dirent *entry; folder && (entry = readdir(folder));)
            if (entry->d_ino == drafts[i].inode) {
                snprintf(call.path, sizeof call.path, "%.3000s/%s", drafts[i].path, entry->d_name);
                snprintf(call.point, sizeof call.point, "rename without the C library");
                log_call(&call);
            }
        if (folder) closedir(folder);
        drafts[i--] = drafts[--draft_count];
    }
}

static void end(struct call *call) {
    char line[PATH_MAX];
    int length = snprintf(line, sizeof line, "killed\t%d\t%s\n", how, call->point);
    put(line, length);
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

/* Whether the call is one of ours; then nothing else happens until ``leave``. */
static int enter(struct call *call) {
    if (!armed || inside || !is_below(call->path)) return 0;
    inside = 1;
    int error = errno;
    char site[256] = "";
    /* Before the lock: whoever holds it may wait for the interpreter. A thread that is not the
       interpreter's cannot wait for it either, as its own thread may be waited for. */
    if (own_state && own_state()) ask_site(site, sizeof site);
    errno = error;
    pthread_mutex_lock(&one_at_a_time);
    see_renamed();
    char kind[PATH_MAX];
    kind_of(call->path, kind, sizeof kind);
    snprintf(call->point, sizeof call->point, "%s %.1000s @ %s", call->name, kind,
             site[0] ? site : "a thread");
    if (!strcmp(call->point, wanted) && occurred++ == occurrence) {
        if (how == HALF && call->data && call->size > 1) {
            size_t half = call->size / 2;
            if (call->at < 0) (void)!syscall(SYS_write, call->fd, call->data, half);
            else (void)!syscall(SYS_pwrite64, call->fd, call->data, half, call->at);
        }
        if (how != AFTER) end(call);
        occurred = -1;
    }
    return 1;
}

static void leave(struct call *call, int done) {
    int error = errno;
    if (done) {
        if (call->fd >= 0) {
            struct stat facts;
            if (!fstat(call->fd, &facts)) call->inode = (long)facts.st_ino;
        }
        log_call(call);
        if (!strcmp(call->name, "create") && strstr(call->path, "/.tmp") && draft_count < 8) {
            snprintf(drafts[draft_count].path, PATH_MAX, "%s", call->path);
            drafts[draft_count++].inode = (ino_t)call->inode;
        }
    }
    if (occurred == -1) end(call);
    pthread_mutex_unlock(&one_at_a_time);
    inside = 0;
    errno = error;
}

static void of_file(struct call *call, const char *name, int fd) {
    char link[64];
    memset(call, 0, sizeof *call);
    call->name = name, call->fd = fd, call->at = -1;
    if (!armed || inside) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, call->path, sizeof call->path - 1);
    call->path[length < 0 ? 0 : length] = 0;
}

static void of_path(struct call *call, const char *name, int folder, const char *path) {
    memset(call, 0, sizeof *call);
    call->name = name, call->fd = -1, call->at = -1;
    if (armed && !inside && path) absolute(folder, path, call->path);
}

/* --- content */

static off_t place_of(int fd) {
    struct stat facts;
    if (fcntl(fd, F_GETFL) & O_APPEND) return fstat(fd, &facts) ? 0 : facts.st_size;
    return lseek(fd, 0, SEEK_CUR);
}

ssize_t write(int fd, const void *data, size_t size) {
    struct call call;
    of_file(&call, "write", fd);
    call.data = data, call.size = size;
    if (!enter(&call)) return NEXT(write)(fd, data, size);
    off_t place = place_of(fd);
    ssize_t done = NEXT(write)(fd, data, size);
    call.at = place, call.size = done > 0 ? (size_t)done : 0;
    leave(&call, done >= 0);
    return done;
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
    struct call call;
    of_file(&call, "writev", fd);
    char *joined = NULL;
    if (armed && !inside && is_below(call.path)) {
        for (int i = 0; i < count; i++) call.size += pieces[i].iov_len;
        joined = malloc(call.size + 1);
        size_t at = 0;
        for (int i = 0; i < count; at += pieces[i++].iov_len)
            memcpy(joined + at, pieces[i].iov_base, pieces[i].iov_len);
        call.data = joined;
    }
    if (!enter(&call)) return NEXT(writev)(fd, pieces, count);
    off_t place = place_of(fd);
    ssize_t done = NEXT(writev)(fd, pieces, count);
    call.at = place, call.size = done > 0 ? (size_t)done : 0;
    leave(&call, done >= 0);
    free(joined);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    struct call call;
    of_file(&call, "pwrite", fd);
    call.data = data, call.size = size, call.at = at;
    if (!enter(&call)) return NEXT(pwrite64)(fd, data, size, at);
    ssize_t done = NEXT(pwrite64)(fd, data, size, at);
    call.size = done > 0 ? (size_t)done : 0;
    leave(&call, done >= 0);
    return done;
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return pwrite64(fd, data, size, at);
}

/* What another file gave is read back for the log. */
static void leave_copied(struct call *call, ssize_t done) {
    char *copied = NULL;
    if (done > 0) {
        call->size = (size_t)done;
        copied = malloc(call->size);
        int again = (int)syscall(SYS_openat, AT_FDCWD, call->path, O_RDONLY | O_CLOEXEC);
        if (again >= 0 && pread(again, copied, call->size, call->at) == done) call->data = copied;
        if (again >= 0) close(again);
    }
    leave(call, done >= 0);
    free(copied);
}

ssize_t sendfile64(int to, int from, off64_t *offset, size_t size) {
    struct call call;
    of_file(&call, "sendfile", to);
    call.size = size;
    if (!enter(&call)) return NEXT(sendfile64)(to, from, offset, size);
    call.at = place_of(to);
    ssize_t done = NEXT(sendfile64)(to, from, offset, size);
    leave_copied(&call, done);
    return done;
}
ssize_t sendfile(int to, int from, off_t *offset, size_t size) {
    return sendfile64(to, from, offset, size);
}
ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t size,
                        unsigned flags) {
    struct call call;
    of_file(&call, "copy_file_range", to);
    call.size = size;
    if (!enter(&call)) return NEXT(copy_file_range)(from, from_at, to, to_at, size, flags);
    call.at = to_at ? *to_at : place_of(to);
    ssize_t done = NEXT(copy_file_range)(from, from_at, to, to_at, size, flags);
    leave_copied(&call, done);
    return done;
}

int ftruncate64(int fd, off64_t size) {
    struct call call;
    of_file(&call, "truncate", fd);
    call.at = size;
    if (!enter(&call)) return NEXT(ftruncate64)(fd, size);
    int done = NEXT(ftruncate64)(fd, size);
    leave(&call, !done);
    return done;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int flushed(int fd, int (*really)(int)) {
    struct call call;
    of_file(&call, "fsync", fd);
    if (!enter(&call)) return really(fd);
    int done = really(fd);
    leave(&call, !done);
    return done;
}
int fsync(int fd) { return flushed(fd, NEXT(fsync)); }
int fdatasync(int fd) { return flushed(fd, NEXT(fdatasync)); }

/* --- names */

static int opened(int folder, const char *path, int flags, mode_t mode) {
    struct call call;
    struct stat facts;
    of_path(&call, "create", folder, path);
    int is_new = call.path[0] && fstatat(folder, path, &facts, 0) && errno == ENOENT;
    int changes = (flags & O_CREAT && is_new) || (flags & O_TRUNC && !is_new && call.path[0]);
    if (changes && !is_new) call.name = "truncate", call.at = 0;
    int is_ours = changes && enter(&call);
    int done = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (!is_ours) return done;
    call.fd = done;
    leave(&call, done >= 0);
    return done;
}

#define MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & O_CREAT) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags)
    if (!armed || inside) return (int)syscall(SYS_openat, folder, path, flags, mode);
    return opened(folder, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return openat64(folder, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE(flags)
    return openat64(AT_FDCWD, path, flags, mode);
}
int open(const char *path, int flags, ...) {
    MODE(flags)
    return openat64(AT_FDCWD, path, flags, mode);
}

static int moved(const char *name, int from, const char *old, int to, const char *path, int flags) {
    struct call call;
    struct stat facts;
    of_path(&call, name, to, path);
    if (call.path[0]) absolute(from, old, call.other);
    if (call.path[0] && !fstatat(from, old, &facts, AT_SYMLINK_NOFOLLOW))
        call.inode = (long)facts.st_ino;
    int is_ours = enter(&call), done;
    if (name[0] == 'l') done = (int)syscall(SYS_linkat, from, old, to, path, flags);
    else done = (int)syscall(SYS_renameat2, from, old, to, path, flags);
    if (is_ours) leave(&call, !done);
    return done;
}
int rename(const char *from, const char *to) {
    return moved("rename", AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat(int from, const char *old, int to, const char *path) {
    return moved("rename", from, old, to, path, 0);
}
int renameat2(int from, const char *old, int to, const char *path, unsigned flags) {
    return moved("rename", from, old, to, path, (int)flags);
}
int link(const char *from, const char *to) {
    return moved("link", AT_FDCWD, from, AT_FDCWD, to, 0);
}
int linkat(int from, const char *old, int to, const char *path, int flags) {
    return moved("link", from, old, to, path, flags);
}

static int gone(const char *name, int folder, const char *path, int flags) {
    struct call call;
    of_path(&call, name, folder, path);
    int is_ours = enter(&call);
    int done = (int)syscall(SYS_unlinkat, folder, path, flags);
    if (is_ours) leave(&call, !done);
    return done;
}
int unlink(const char *path) { return gone("unlink", AT_FDCWD, path, 0); }
int rmdir(const char *path) { return gone("rmdir", AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int folder, const char *path, int flags) {
    return gone(flags & AT_REMOVEDIR ? "rmdir" : "unlink", folder, path, flags);
}

int mkdirat(int folder, const char *path, mode_t mode) {
    struct call call;
    of_path(&call, "mkdir", folder, path);
    int is_ours = enter(&call);
    int done = (int)syscall(SYS_mkdirat, folder, path, mode);
    if (is_ours) leave(&call, !done);
    return done;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
