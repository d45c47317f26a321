// SPDX-License-Identifier: GPL-3.0-or-later
// The handler uses open, write, time, sigaction, raise and backtrace_symbols_fd alone. backtrace
// loads a library at its first call, which is therefore made before anything goes wrong.
#include "engine/base/crash_report.h"

#include <execinfo.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <ctime>
#include <string>

namespace luthier {

namespace {

constexpr std::size_t kNoteBytes = 1024, kPathBytes = 4096, kStackBytes = 64 << 10;
constexpr std::size_t kMostReports = 10;
constexpr int kMostFrames = 96;
constexpr std::array kDeaths{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

/// A text that may be read while it is written: two places, of which the number names the whole
/// one.
class SteadyText {
 public:
  void set(std::string_view text) {
    const int next = 1 - whole_.load(std::memory_order_relaxed);
    const std::size_t size = std::min(text.size(), kNoteBytes - 1);
    std::memcpy(places_[next].data(), text.data(), size);
    places_[next][size] = '\0';
    whole_.store(next, std::memory_order_release);
  }
  const char* get() const { return places_[whole_.load(std::memory_order_acquire)].data(); }

 private:
  std::array<std::array<char, kNoteBytes>, 2> places_{};
  std::atomic<int> whole_{0};
};

SteadyText version_text, page_text, run_text;
std::array<char, kPathBytes> report_file{};
std::array<char, kStackBytes> handler_stack{};
std::atomic_flag dying = ATOMIC_FLAG_INIT;

void put(int file, const char* text) {
  std::size_t left = std::strlen(text);
  while (left > 0) {
    const ssize_t written = ::write(file, text, left);
    if (written <= 0) return;
    text += written;
    left -= static_cast<std::size_t>(written);
  }
}

void put_number(int file, long long number) {
  std::array<char, 24> digits{};
  std::size_t at = digits.size() - 1;
  do {
    digits[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0 && at > 0);
  put(file, digits.data() + at);
}

const char* death_name(int signal) {
  switch (signal) {
    case SIGSEGV: return "SIGSEGV (memory that is not there)";
    case SIGBUS: return "SIGBUS (memory or a file that went away)";
    case SIGFPE: return "SIGFPE (arithmetic)";
    case SIGILL: return "SIGILL (an instruction that this processor does not have)";
    case SIGABRT: return "SIGABRT (gave up)";
    default: return "a signal";
  }
}

void write_report(int signal) {
  const int file = ::open(report_file.data(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return;
  put(file, "Luthier ended by a fault.\nversion: ");
  put(file, version_text.get());
  put(file, "\nsignal: ");
  put(file, death_name(signal));
  put(file, "\ntime: ");
  put_number(file, static_cast<long long>(::time(nullptr)));
  put(file, "\npage: ");
  put(file, page_text.get());
  put(file, "\nrun: ");
  put(file, run_text.get());
  put(file, "\n\n");
  std::array<void*, kMostFrames> frames{};
  const int count = ::backtrace(frames.data(), kMostFrames);
  ::backtrace_symbols_fd(frames.data(), count, file);
  ::close(file);
}

extern "C" void report_and_die(int signal) {
  // Of several threads that die at once the first one tells.
  while (dying.test_and_set()) ::pause();
  write_report(signal);
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  ::sigaction(signal, &usual, nullptr);
  ::raise(signal);
}

}  // namespace

std::vector<std::filesystem::path> crash_reports(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> reports;
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(folder, problem)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("crash-") && name.ends_with(".txt")) reports.push_back(entry.path());
  }
  // "crash-20260102-030405-77.txt": names sort by time.
  std::sort(reports.rbegin(), reports.rend());
  return reports;
}

std::filesystem::path own_crash_report() { return report_file.data(); }

Status report_crashes(const std::filesystem::path& folder, std::string_view version) {
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem)
    return machine_error("Reports of crashes cannot be kept: " + problem.message() + ".",
                         folder.string(), "Make the folder writable.");
  const auto old = crash_reports(folder);
  for (std::size_t i = kMostReports - 1; i < old.size(); ++i)
    std::filesystem::remove(old[i], problem);
  std::array<char, 32> stamp{};
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::strftime(stamp.data(), stamp.size(), "%Y%m%d-%H%M%S", &parts);
  const std::string file =
      (folder / ("crash-" + std::string(stamp.data()) + '-' + std::to_string(::getpid()) + ".txt"))
          .string();
  if (file.size() >= report_file.size())
    return machine_error("Reports of crashes cannot be kept: the folder's name is too long.",
                         folder.string(), "Choose another home folder.");
  std::memcpy(report_file.data(), file.c_str(), file.size() + 1);
  version_text.set(version);
  void* first = nullptr;
  ::backtrace(&first, 1);
  // A stack that ran over leaves none to write on.
  stack_t stack{};
  stack.ss_sp = handler_stack.data();
  stack.ss_size = handler_stack.size();
  ::sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_handler = report_and_die;
  action.sa_flags = SA_ONSTACK;
  // A second death of the one who tells ends the process, and nobody waits for it.
  ::sigemptyset(&action.sa_mask);
  for (const int death : kDeaths) ::sigaddset(&action.sa_mask, death);
  for (const int death : kDeaths) ::sigaction(death, &action, nullptr);
  return {};
}

void note_for_crash(CrashNote note, std::string_view text) {
  (note == CrashNote::Page ? page_text : run_text).set(text);
}

}  // namespace luthier
