// SPDX-License-Identifier: GPL-3.0-or-later
// A line to a run elsewhere: the program that holds it, what has come over it and what waits to go.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "engine/runs/elsewhere/child.h"
#include "engine/session/elsewhere/far_run.h"

namespace luthier {

/// As sentences name the place.
std::string machine_of(const RunPlace& place);

/// What is started for a line: luthier-cli serve here, or through ssh.
std::vector<std::string> serve_words(const RunPlace& place);

/// Why there is no line, or no more, by how its program ended and what that said last.
Error cut_error(const RunPlace& place, int status, const std::string& said);

struct FarRun::Line {
  explicit Line(TalkingChild given) : child(std::move(given)) {}

  TalkingChild child;
  LineBuffer said{kLongestSaying, "serve"};
  std::string out;
  bool greeted = false;
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now(), files_asked{};
};

}  // namespace luthier
