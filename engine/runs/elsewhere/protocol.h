// SPDX-License-Identifier: GPL-3.0-or-later
// What `luthier-cli serve` and its client say to each other: one JSON object a line
// (docs/serve.md). Here is the client's half, commands, and the first line of serve's. Unknown
// fields are passed over; everything else that a line can be wrong about is a sentence. No
// LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

inline constexpr std::int64_t kServeProtocol = 1;
/// Bytes of a line: of a command, and of what serve says.
inline constexpr std::size_t kLongestCommand = std::size_t{16} << 20;
inline constexpr std::size_t kLongestSaying = std::size_t{64} << 20;
inline constexpr std::size_t kFetchedPiece = std::size_t{256} << 10;  ///< bytes of a file at once

/// The first line that serve says.
struct ServeHello {
  std::int64_t protocol = kServeProtocol;
  std::string version, host;
  std::int64_t process = 0;
  std::vector<std::string> devices;  ///< "NVIDIA H200", or "cpu"
};
Json to_json(const ServeHello& hello);
/// An Input error where the line is no hello.
Result<ServeHello> hello_from_json(const Json& json, const std::string& where);

/// Starts a run, or attaches to it where it was started before.
struct LaunchOrder {
  std::string run;               ///< its name, chosen by the client: good_run_name()
  std::string recipe;            ///< as YAML; one of stages too
  std::filesystem::path folder;  ///< there, where relative paths begin; empty: where serve began
  std::filesystem::path resume, reward_program;
  std::size_t held_out_answers = 0;
};
struct AttachOrder {
  std::string run;
  std::uint64_t after = 0;  ///< the number of the last event that the client has
};
struct ListOrder {};
struct FilesOrder {};  ///< of the attached run's folder
struct FetchOrder {
  std::string file;  ///< within that folder
  std::uint64_t from = 0;
};
/// What the attached run itself is asked.
struct RunOrder {
  std::string command;        ///< pause | resume | stop | save_now | edit | answer | cancel
  std::string client;         ///< answers are told by who asked, and
  std::uint64_t request = 0;  ///< the client's own number (answer, cancel)
  bool discard = false;       ///< stop
  std::string setting;        ///< edit
  double value = 0;
  Json asked = nullptr;  ///< answer: session/elsewhere/event_text.h
};
using ServeOrder =
    std::variant<LaunchOrder, AttachOrder, ListOrder, FilesOrder, FetchOrder, RunOrder>;

/// One line without its end. An Input error names the field.
Result<ServeOrder> read_order(std::string_view line);
/// The line, without its end; read_order reads it back.
std::string order_line(const ServeOrder& order);
Json to_json(const LaunchOrder& order);

/// 8 to 64 of a-z, 0-9 and "-", the first one no "-": it is a folder's name.
bool good_run_name(std::string_view name);
/// One that nobody has: "20260131-120000-4f3a9c11".
std::string new_run_name();

Json to_json(const Error& error);
Error error_from_json(const Json& json);
/// {"error": {...}, "command": "pause"} as a line; `command`: what failed, by the session's name of
/// it, empty where it could not be read.
std::string error_line(const Error& error, const std::string& command = {});
/// The session's name of a command: "set_learning_rate" for an edit of that.
std::string session_command(const ServeOrder& order);

/// One line of JSON; bytes that are no UTF-8 are replaced.
std::string json_line(const Json& json);

/// Lines out of bytes as they come. One that is too long is passed over up to its end, and is an
/// Input error in its place.
class LineBuffer {
 public:
  LineBuffer(std::size_t longest, std::string where)
      : longest_(longest), where_(std::move(where)) {}
  void add(std::string_view bytes);
  /// The next whole line; empty ones are passed over.
  std::optional<Result<std::string>> next();

 private:
  const std::size_t longest_;
  const std::string where_;
  std::string bytes_;
  std::size_t looked_ = 0;  ///< of bytes_, in which no line ends
  bool passing_ = false;    ///< over the rest of a line that was too long
};

}  // namespace luthier
