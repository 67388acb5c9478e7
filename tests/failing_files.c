/* A file system that fails, for programs of a test: loaded by LD_PRELOAD, it counts what they write
 * below a folder, and lets the n-th write and all after it fail.
 *
 *   failing_files(folder, n, error, microseconds): from the n-th on, counted anew; n = 0: none fails.
 *   failing_files_count(): how many there were.
 *
 * Counted are opening for writing, each write, making folders and renaming. Where the error is EROFS,
 * removing fails from then on as well.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 65536
static char folder[4096];
static char ours[FILES]; /* by number: whether a file is below the folder */
static long at, count;
static int with_error;
static unsigned delay;

void failing_files(const char* path, long n, int error, unsigned microseconds) {
  strncpy(folder, path, sizeof(folder) - 1);
  at = n;
  with_error = error;
  delay = microseconds;
  count = 0;
}

long failing_files_count(void) { return count; }

static int below(const char* path) {
  return path && folder[0] && strncmp(path, folder, strlen(folder)) == 0;
}

/* Whether this write, one more, fails. */
static int fails(void) {
  long now = __sync_add_and_fetch(&count, 1);
  if (delay) usleep(delay);
  if (at && now >= at) {
    errno = with_error;
    return 1;
  }
  return 0;
}

static void mark(int number, int is_ours) {
  if (number >= 0 && number < FILES) ours[number] = is_ours;
}

static int is_ours(int number) { return number >= 0 && number < FILES && ours[number]; }

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

#define MODE \
  mode_t mode = 0; \
  if (flags & (O_CREAT | __O_TMPFILE)) { \
    va_list rest; \
    va_start(rest, flags); \
    mode = va_arg(rest, mode_t); \
    va_end(rest); \
  }

#define OPEN(name) \
  int name(const char* path, int flags, ...) { \
    REAL(int, #name, const char*, int, ...); \
    MODE \
    int writes = below(path) && (flags & (O_WRONLY | O_RDWR | O_CREAT)); \
    if (writes && fails()) return -1; \
    int number = real(path, flags, mode); \
    mark(number, writes); \
    return number; \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
  int name(int directory, const char* path, int flags, ...) { \
    REAL(int, #name, int, const char*, int, ...); \
    MODE \
    int writes = below(path) && (flags & (O_WRONLY | O_RDWR | O_CREAT)); \
    if (writes && fails()) return -1; \
    int number = real(directory, path, flags, mode); \
    mark(number, writes); \
    return number; \
  }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name) \
  FILE* name(const char* path, const char* mode) { \
    REAL(FILE*, #name, const char*, const char*); \
    int writes = below(path) && strpbrk(mode, "wa+"); \
    if (writes && fails()) return NULL; \
    FILE* file = real(path, mode); \
    if (file) mark(fileno(file), writes); \
    return file; \
  }
FOPEN(fopen)
FOPEN(fopen64)

int close(int number) {
  REAL(int, "close", int);
  mark(number, 0);
  return real(number);
}

int fclose(FILE* file) {
  REAL(int, "fclose", FILE*);
  mark(fileno(file), 0);
  return real(file);
}

ssize_t write(int number, const void* content, size_t size) {
  REAL(ssize_t, "write", int, const void*, size_t);
  if (is_ours(number) && fails()) return -1;
  return real(number, content, size);
}

ssize_t pwrite64(int number, const void* content, size_t size, off64_t place) {
  REAL(ssize_t, "pwrite64", int, const void*, size_t, off64_t);
  if (is_ours(number) && fails()) return -1;
  return real(number, content, size, place);
}

ssize_t writev(int number, const struct iovec* parts, int parts_count) {
  REAL(ssize_t, "writev", int, const struct iovec*, int);
  if (is_ours(number) && fails()) return -1;
  return real(number, parts, parts_count);
}

size_t fwrite(const void* content, size_t size, size_t items, FILE* file) {
  REAL(size_t, "fwrite", const void*, size_t, size_t, FILE*);
  if (is_ours(fileno(file)) && fails()) return 0;
  return real(content, size, items, file);
}

int rename(const char* from, const char* to) {
  REAL(int, "rename", const char*, const char*);
  if (below(to) && fails()) return -1;
  return real(from, to);
}

int mkdir(const char* path, mode_t mode) {
  REAL(int, "mkdir", const char*, mode_t);
  struct stat found;
  if (below(path) && stat(path, &found) != 0 && fails()) return -1;
  return real(path, mode);
}

int unlink(const char* path) {
  REAL(int, "unlink", const char*);
  if (below(path) && at && count >= at && with_error == EROFS) {
    errno = EROFS;
    return -1;
  }
  return real(path);
}
