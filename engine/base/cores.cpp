// SPDX-License-Identifier: GPL-3.0-or-later
// Sources: proc(5) on /proc/stat, and the kernel's documentation of cpu.max (control groups 2) and
// cpu.cfs_quota_us (control groups 1).
#include "engine/base/cores.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>

namespace luthier {
namespace fs = std::filesystem;
namespace {

/// The cores of the affinity mask; empty where it cannot be asked for (more than 1,024 cores).
std::vector<bool> affinity() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return {};
  std::vector<bool> allowed(CPU_SETSIZE);
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    allowed[static_cast<std::size_t>(core)] = CPU_ISSET(core, &set);
  }
  return allowed;
}

std::optional<double> number_in(const fs::path& file) {
  std::ifstream in(file);
  double number = 0;
  return in >> number ? std::optional<double>(number) : std::nullopt;
}

/// Cores' worth of time that the control group may use; nothing where it has no limit. Inside a
/// container the group's own files stand at the root of the mount.
std::optional<double> quota(const fs::path& root) {
  const fs::path groups = root / "sys/fs/cgroup";
  if (std::ifstream in(groups / "cpu.max"); in) {
    double most = 0, period = 0;
    if (!(in >> most >> period) || period <= 0) return std::nullopt;  // "max" is no number
    return most / period;
  }
  const auto most = number_in(groups / "cpu/cpu.cfs_quota_us");
  const auto period = number_in(groups / "cpu/cpu.cfs_period_us");
  if (!most || !period || *most <= 0 || *period <= 0) return std::nullopt;
  return *most / *period;
}

double own_seconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

}  // namespace

int allowed_cores() {
  const std::vector<bool> allowed = affinity();
  const auto counted = static_cast<int>(std::count(allowed.begin(), allowed.end(), true));
  return std::max(1, counted > 0 ? counted : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
}

int usable_cores(const fs::path& root) {
  const int cores = allowed_cores();
  const auto limit = quota(root);
  return limit ? std::clamp(static_cast<int>(std::lround(*limit)), 1, cores) : cores;
}

std::optional<CoreMeter::Counters> CoreMeter::read() const {
  std::ifstream in(root_ / "proc/stat");
  if (!in) return std::nullopt;
  static const std::vector<bool> allowed = affinity();
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  Counters counters;
  bool found = false;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (!name.starts_with("cpu") || name.size() == 3) continue;
    const std::size_t core = static_cast<std::size_t>(std::strtoul(name.c_str() + 3, nullptr, 10));
    if (!allowed.empty() && (core >= allowed.size() || !allowed[core])) continue;
    // user, nice, system, idle, iowait, irq, softirq, steal: all but idle and iowait is time in
    // use.
    double value = 0;
    for (int column = 0; column < 8 && words >> value; ++column) {
      if (column != 3 && column != 4) counters.busy += value / ticks;
    }
    found = true;
  }
  counters.own = own_seconds();
  counters.when = std::chrono::steady_clock::now();
  return found ? std::optional<Counters>(counters) : std::nullopt;
}

std::optional<CoreUse> CoreMeter::look() {
  const auto now = read();
  const auto before = std::exchange(last_, now);
  if (!now || !before) return std::nullopt;
  CoreUse use;
  use.seconds = std::chrono::duration<double>(now->when - before->when).count();
  if (use.seconds <= 0) return std::nullopt;
  use.others = std::max(0.0, (now->busy - before->busy) - (now->own - before->own)) / use.seconds;
  return use;
}

bool others_want_cores(const CoreUse& use, bool before) {
  constexpr double kBegins = 0.4, kGoesOn = 0.25;
  return use.others >= (before ? kGoesOn : kBegins);
}

}  // namespace luthier
