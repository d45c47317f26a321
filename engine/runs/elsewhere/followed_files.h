// SPDX-License-Identifier: GPL-3.0-or-later
// A run's files on another machine as they are followed into a folder here: what is appended while
// it goes on (lines of metrics, events, samples, drawn answers), all but whole models at its end.
// It says what to ask serve and takes what serve answers; names that would lead out of the folder
// are passed over. No LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "engine/base/result.h"
#include "engine/runs/elsewhere/protocol.h"

namespace luthier {

/// Whose files a folder holds that was followed: its elsewhere.json.
struct MirroredRun {
  std::string host;                      ///< what ssh calls the machine
  std::filesystem::path folder, output;  ///< there: where paths begin, and the run's own
  std::string run;                       ///< its name
};
Status write_mirrored(const std::filesystem::path& folder, const MirroredRun& run);
/// nullopt: the folder is no such one.
std::optional<MirroredRun> read_mirrored(const std::filesystem::path& folder);

class FollowedFiles {
 public:
  explicit FollowedFiles(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// A new line: what was asked on the last one gets no answer any more.
  void begin_anew();
  /// What is to be asked next; nullopt: an answer is awaited, or a round is at its end.
  std::optional<ServeOrder> next();
  /// The next round asks what has grown; `all`: whatever the run has left.
  void start_round(bool all);
  bool is_at_rest() const { return !round_ && !awaited_; }
  /// An answer to files or fetch, or an error in its place. An error: it cannot be kept here.
  Status take(const Json& answer);
  void take_refusal();

  const std::filesystem::path& folder() const { return folder_; }

 private:
  struct Wanted {
    std::uint64_t from = 0, bytes = 0;
  };
  Status take_list(const Json& files);
  /// Of the file that was asked for; false: that one is at its end.
  Result<bool> take_piece(const std::string& name, Wanted& wanted, const Json& answer);

  std::filesystem::path folder_;
  bool round_ = false, all_ = false, listed_ = false, awaited_ = false;
  std::string asked_;  ///< the file that is awaited; empty: the list
  std::map<std::string, Wanted> wanted_;
  std::set<std::string> whole_;  ///< not of lines, and fetched to their end by this object
};

}  // namespace luthier
