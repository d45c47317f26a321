// SPDX-License-Identifier: GPL-3.0-or-later
// What the engine says while it works, to stderr only: stdout belongs to the one document that a
// command prints. One set of functions, so that a host can turn it down or take it over (the window
// shows lines in its own log).
#pragma once

#include <functional>
#include <string>

namespace luthier {

enum class LogLevel { Debug, Info, Warning, Error, Off };

/// Lines below `level` are dropped. Info at the start.
void set_log_level(LogLevel level);
/// Also hands every line that passes the level to `sink` (called on the thread that logs); an empty
/// function ends that.
void set_log_sink(std::function<void(LogLevel, const std::string&)> sink);

void log_debug(const std::string& message);
void log_info(const std::string& message);
void log_warning(const std::string& message);

}  // namespace luthier
