// SPDX-License-Identifier: GPL-3.0-or-later
// The post of a run elsewhere: the folder by which its process is spoken to and found again, the
// user's own (0700), $XDG_STATE_HOME/luthier/runs/MACHINE/RUN:
//   order.json     what it was started with
//   commands       a FIFO: lines of RunCommand
//   journal.jsonl  numbered events (journal.h)
//   lock           held by the process for as long as it lives, by whatever it ends
//   output.log     what the process wrote to its standard streams
// No LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/system_error.h"
#include "engine/runs/elsewhere/protocol.h"

namespace luthier {

struct RunPost {
  std::string run;
  std::filesystem::path folder;

  std::filesystem::path order() const { return folder / "order.json"; }
  std::filesystem::path commands() const { return folder / "commands"; }
  std::filesystem::path journal() const { return folder / "journal.jsonl"; }
  std::filesystem::path lock() const { return folder / "lock"; }
  std::filesystem::path log() const { return folder / "output.log"; }

  bool exists() const;
  /// Its process lives.
  bool is_held() const;
};

/// Of this user on this machine; an Input error where neither XDG_STATE_HOME nor HOME says where.
Result<std::filesystem::path> posts_folder();
Result<RunPost> post_of(const std::string& run);

/// A new post with its order, whole or not at all, and its lock, which is the starting process's to
/// hand on. An Input error where the run has one.
Result<Descriptor> make_post(const RunPost& post, const LaunchOrder& order);
/// The order of a post. Relative paths begin at its folder, which is absolute.
Result<LaunchOrder> read_post_order(const RunPost& post);
/// Takes the lock of a post whose process is gone; nullopt: it lives.
Result<std::optional<Descriptor>> take_post(const RunPost& post);

/// Hands the process one line, which waits for one that is only beginning; a Machine error where
/// nobody reads there any more.
Status send_to_post(const RunPost& post, const std::string& line);

/// Where the process is gone and wrote no end, writes what the run's folder shows: interrupted, and
/// what it can go on from. Nothing where it lives or its end stands.
Status close_journal(const RunPost& post);

/// A run that is to be found again.
struct PostedRun {
  std::string run;
  std::filesystem::path output;  ///< the run's folder
  bool held = false;             ///< its process lives
  std::int64_t written = 0;      ///< seconds since 1970: when its journal was written last
};
/// Those of this user on this machine, the newest first.
std::vector<PostedRun> list_posts();
Json to_json(const PostedRun& run);
/// Removes posts that have ended, or were left half made, and have not been written to for two
/// weeks.
void sweep_posts();

/// The folder that an order's recipe trains in; an Input error where it cannot be read.
Result<std::filesystem::path> output_of(const LaunchOrder& order);

}  // namespace luthier
