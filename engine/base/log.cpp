// SPDX-License-Identifier: GPL-3.0-or-later
// The log on spdlog: coloured where stderr is a terminal, safe to call from any thread.
#include "engine/base/log.h"

#include <atomic>
#include <memory>
#include <mutex>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace luthier {

namespace {

std::atomic<LogLevel> lowest{LogLevel::Info};
std::mutex sink_mutex;
std::function<void(LogLevel, const std::string&)> extra_sink;

spdlog::logger& logger() {
  // Never destroyed: threads may log until the process ends.
  static spdlog::logger* const instance = [] {
    auto* made =
        new spdlog::logger("luthier", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%^%l%$: %v");
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::warn);
    return made;
  }();
  return *instance;
}

void write_line(LogLevel level, spdlog::level::level_enum as, const std::string& message) {
  if (level < lowest.load()) return;
  logger().log(as, "{}", message);
  std::function<void(LogLevel, const std::string&)> sink;
  {
    const std::lock_guard lock(sink_mutex);
    sink = extra_sink;
  }
  if (sink) sink(level, message);
}

}  // namespace

void set_log_level(LogLevel level) { lowest = level; }

void set_log_sink(std::function<void(LogLevel, const std::string&)> sink) {
  const std::lock_guard lock(sink_mutex);
  extra_sink = std::move(sink);
}

void log_debug(const std::string& message) {
  write_line(LogLevel::Debug, spdlog::level::debug, message);
}
void log_info(const std::string& message) {
  write_line(LogLevel::Info, spdlog::level::info, message);
}
void log_warning(const std::string& message) {
  write_line(LogLevel::Warning, spdlog::level::warn, message);
}

}  // namespace luthier
