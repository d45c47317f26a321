// SPDX-License-Identifier: GPL-3.0-or-later
// Preloaded into luthier-cli by the parity suite, which calls it thousands of times: LibTorch takes
// a third of a second to register its operators before main, each time. Here one process stands
// before main and becomes, for each command that comes over a pipe, the program in a child of its
// own: the same file, the same main, nothing kept from one command to the next.
//
// A request is a count, then as many texts, each a length and its bytes (32-bit numbers): where to
// run, the files that take stdout and stderr, the seconds of processor after which it is killed (0:
// none), and the arguments. The answer is the child's number when it starts, and when it has ended
// its status as waitpid gives it, its microseconds of processor and its peak of memory in KiB.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using Main = int (*)(int, char**, char**);

constexpr int kCannotStart = 127;  // as a shell says it

Main program_main = nullptr;
int requests = -1, answers = -1;  // pipes, whose numbers stand in READY_PIPES

bool read_all(void* into, std::size_t size) {
  auto* place = static_cast<char*>(into);
  while (size > 0) {
    const ssize_t got = read(requests, place, size);
    if (got <= 0) return false;
    place += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

/// Empty where the suite has ended.
std::vector<std::string> read_request() {
  std::uint32_t count = 0;
  if (!read_all(&count, sizeof count)) return {};
  std::vector<std::string> texts(count);
  for (std::string& text : texts) {
    std::uint32_t size = 0;
    if (!read_all(&size, sizeof size)) return {};
    text.resize(size);
    if (!read_all(text.data(), size)) return {};
  }
  return texts;
}

bool redirect(int descriptor, const char* path, int flags) {
  const int file = open(path, flags, 0644);
  return file >= 0 && dup2(file, descriptor) == descriptor && close(file) == 0;
}

/// The child: what a shell would have set up, then the program's own main.
int become_program(std::vector<std::string>& request, char* name, char** environment) {
  close(requests);
  close(answers);
  const rlim_t seconds = std::strtoul(request[3].c_str(), nullptr, 10);
  const rlimit limit{seconds, seconds};
  if (chdir(request[0].c_str()) != 0 || !redirect(0, "/dev/null", O_RDONLY) ||
      !redirect(1, request[1].c_str(), O_WRONLY | O_CREAT | O_TRUNC) ||
      !redirect(2, request[2].c_str(), O_WRONLY | O_CREAT | O_TRUNC) ||
      (seconds > 0 && setrlimit(RLIMIT_CPU, &limit) != 0))
    _exit(kCannotStart);
  std::vector<char*> arguments{name};
  for (std::size_t i = 4; i < request.size(); ++i) arguments.push_back(request[i].data());
  const int count = static_cast<int>(arguments.size());
  arguments.push_back(nullptr);
  return program_main(count, arguments.data(), environment);
}

void answer(const void* from, std::size_t size) {
  if (write(answers, from, size) != static_cast<ssize_t>(size)) _exit(0);
}

int serve(int, char** arguments, char** environment) {
  const char* pipes = std::getenv("READY_PIPES");
  if (pipes == nullptr || std::sscanf(pipes, "%d %d", &requests, &answers) != 2)
    return kCannotStart;
  unsetenv("LD_PRELOAD");
  unsetenv("READY_PIPES");
  for (;;) {
    std::vector<std::string> request = read_request();
    if (request.size() < 4) return 0;
    const pid_t child = fork();
    if (child == 0) return become_program(request, arguments[0], environment);
    const std::int64_t number = child;
    answer(&number, sizeof number);
    int status = 0;
    rusage use{};
    if (child < 0 || wait4(child, &status, 0, &use) != child) status = kCannotStart << 8;
    const auto microseconds = [](const timeval& time) {
      return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
    };
    const std::array<std::int64_t, 3> ended{
        status, microseconds(use.ru_utime) + microseconds(use.ru_stime), use.ru_maxrss};
    answer(ended.data(), sizeof ended);
  }
}

}  // namespace

/// What every program's first instructions call, before any code of its own.
extern "C" int __libc_start_main(Main main, int count, char** arguments, void (*begin)(),
                                 void (*end)(), void (*loader_end)(), void* stack) {
  using Start = int (*)(Main, int, char**, void (*)(), void (*)(), void (*)(), void*);
  const auto start = reinterpret_cast<Start>(dlsym(RTLD_NEXT, "__libc_start_main"));
  program_main = main;
  return start(serve, count, arguments, begin, end, loader_end, stack);
}
