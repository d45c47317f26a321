// SPDX-License-Identifier: GPL-3.0-or-later
// Both ends of serve's line, pretended: a serve that says what a test wants, and a client that says
// what it wants and hears what serve says.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>

#include "engine/runs/elsewhere/child.h"
#include "engine/runs/elsewhere/protocol.h"
#include "tests/patience.h"
#include "tests/train/tiny_run.h"

namespace luthier::test {

/// A program in the place of luthier-cli that says these lines, and ends once its line does or,
/// where `heard` is one, once so many lines were said to it.
inline fs::path false_serve(const fs::path& folder, const std::string& lines, int heard = -1) {
  write_text(folder / "lines", lines);
  std::string text = "#!/bin/sh\ncat '" + (folder / "lines").string() + "'\n";
  for (int i = 0; i < heard; ++i) text += "read -r line\n";
  if (heard < 0) text += "exec cat >/dev/null\n";
  const fs::path program = folder / "false-serve";
  write_text(program, text);
  fs::permissions(program, fs::perms::owner_all);
  return program;
}

/// One in the place of ssh: a run that has ended, whose one file is refused.
inline void write_refusing_ssh(const fs::path& program, const std::string& hello) {
  write_text(program.string() + ".hello", hello);
  write_text(
      program,
      "#!/bin/sh\n"
      "cat \"$0.hello\"\n"
      "while read -r line; do\n"
      "  case $line in\n"
      "  *'\"launch\"'*)\n"
      "    echo '{\"attached\":\"a-run-of-mine\",\"output\":\"/nowhere\"}'\n"
      "    echo '{\"n\":1,\"event\":\"run_ended\",\"state\":\"finished\",\"seconds\":1}' ;;\n"
      "  *'\"files\"'*) echo '{\"files\":[{\"name\":\"run.json\",\"bytes\":2}]}' ;;\n"
      "  *'\"fetch\"'*)\n"
      "    echo '{\"error\":{\"what\":\"It is forbidden.\"},\"command\":\"fetch\"}' ;;\n"
      "  esac\n"
      "done\n");
  fs::permissions(program, fs::perms::owner_all);
}

inline std::string hello_line(const std::string& version, int protocol = 1) {
  ServeHello hello;
  hello.version = version;
  hello.protocol = protocol;
  return json_line(to_json(hello)) + "\n";
}

/// A client that is none: lines to serve, and what it says.
class Talk {
 public:
  explicit Talk(int stream) : stream_(stream) {}
  bool says(const std::string& line) const {
    const std::string text = line + "\n";
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t put = ::send(stream_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (put <= 0) return false;
      sent += static_cast<std::size_t>(put);
    }
    return true;
  }
  /// Null: it says no more, or no JSON.
  Json hears() {
    for (const Patience patience; !patience.is_over();) {
      if (const auto line = lines_.next()) {
        if (!*line) return Json();
        const auto json = parse_json(**line, "serve");
        return json ? *json : Json();
      }
      if (!reads()) return Json();
    }
    return Json();
  }
  /// Closes the way there; true once the other one is closed too, as it ends.
  bool ends() {
    ::shutdown(stream_, SHUT_WR);
    const Patience patience;
    while (!patience.is_over() && reads()) {}
    return !patience.is_over();
  }

 private:
  bool reads() {
    pollfd waited{stream_, POLLIN, 0};
    if (::poll(&waited, 1, 1000) <= 0) return true;
    char piece[65536];
    const ssize_t got = ::recv(stream_, piece, sizeof piece, 0);
    if (got > 0) lines_.add({piece, static_cast<std::size_t>(got)});
    return got > 0;
  }

  const int stream_;
  LineBuffer lines_{kLongestSaying, "serve"};
};

/// JSON that is written with ' in the place of ".
inline std::string quoted(std::string text) {
  std::replace(text.begin(), text.end(), '\'', '"');
  return text;
}

}  // namespace luthier::test
