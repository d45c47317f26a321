// SPDX-License-Identifier: GPL-3.0-or-later
// A run that a test holds, so that nothing is decided by who is faster: it learns from the rewards
// of a program of the test's own, which judges so many steps' answers and lets the next ones wait.
#pragma once

#include <QtTest>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace luthier::test {

class HeldRun {
 public:
  /// What makes a recipe's run one that is held: each step asks the program once, for four answers.
  static std::vector<std::pair<std::string, std::string>> settings() {
    return {{"objective", "grpo"},
            {"grpo.num_generations", "4"},
            {"grpo.max_completion_length", "4"},
            {"grpo.reward_funcs", "program"},
            {"training.per_device_train_batch_size", "4"},
            {"training.gradient_accumulation_steps", "1"},
            {"training.logging_steps", "1"}};
  }

  /// Writes the program, which lets no step be made yet.
  explicit HeldRun(std::filesystem::path program) : program_(std::move(program)) {
    let(0);
    std::ofstream(program_) << "#!/bin/sh\n"
                               "steps=0\n"
                               "while read -r answers; do\n"
                               "  steps=$((steps + 1))\n"
                               "  while [ \"$(cat \"$0.let\")\" -lt $steps ]; do\n"
                               "    sleep 0.02\n"
                               "    [ -e \"$0.let\" ] && kill -0 $PPID || exit\n"
                               "  done 2>/dev/null\n"
                               "  echo '{\"rewards\": [1, 2, 3, 4]}'\n"
                               "done\n";
    std::filesystem::permissions(program_, std::filesystem::perms::owner_all);
  }

  const std::filesystem::path& program() const { return program_; }

  /// A process of the run may make so many steps since it began, and waits within the next one: for
  /// less than the minute that a run leaves such a program, so that what lasts is waited for
  /// paused.
  void let(int steps) const {
    std::filesystem::path count = program_, fresh = program_;
    count += ".let";
    fresh += ".new";
    std::ofstream(fresh) << steps << '\n';
    std::filesystem::rename(fresh, count);
  }
  void let_go() const { let(1'000'000); }

 private:
  std::filesystem::path program_;
};

}  // namespace luthier::test
