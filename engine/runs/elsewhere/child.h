// SPDX-License-Identifier: GPL-3.0-or-later
// The two ways in which a run elsewhere starts a program, never through a shell: one that talks in
// lines on its standard streams (serve, or ssh that leads to one), and one that is left to itself
// (a run's process). No LibTorch.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/system_error.h"

namespace luthier {

/// luthier-cli: what LUTHIER_CLI names, else beside this program.
std::filesystem::path command_line_program();

class TalkingChild {
 public:
  /// `words`: the program, looked for as a shell does, and its arguments.
  static Result<TalkingChild> start(const std::vector<std::string>& words);
  TalkingChild(TalkingChild&& other) noexcept;
  TalkingChild& operator=(TalkingChild&&) = delete;
  ~TalkingChild();  ///< closes the streams and waits for it, by force where it does not go

  /// Both of its standard streams: a socket.
  int stream() const { return stream_.get(); }
  int errors() const { return errors_.get(); }
  /// Reads what it wrote to its standard error; only the end of it is kept.
  void read_errors();
  /// The last line that it wrote there, which is what ssh and a shell say a failure in.
  std::string last_error() const;
  /// Closes its streams, and waits → its exit status; -1: a signal ended it.
  int finish();

 private:
  TalkingChild() = default;
  Descriptor stream_, errors_;
  pid_t process_ = 0;
  int status_ = -1;
  std::string said_;
};

/// Starts a program in a session of its own, its output appended to `log`, with `kept` open as
/// kKeptDescriptor: it goes on whatever becomes of this process. → its number, for waitpid.
inline constexpr int kKeptDescriptor = 3;
Result<pid_t> start_detached(const std::vector<std::string>& words,
                             const std::filesystem::path& log, const Descriptor& kept);

}  // namespace luthier
