// SPDX-License-Identifier: GPL-3.0-or-later
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>

#include "app/cli/verbs.h"
#include "engine/base/text.h"
#include "engine/hub/fetch.h"

namespace luthier::cli {

namespace {

/// On a terminal one line that is written anew; elsewhere a line a file and one every ten seconds.
class ProgressLine {
 public:
  bool show(const FetchProgress& p) {
    const auto now = std::chrono::steady_clock::now();
    const bool next = p.index != index_ || p.stage != stage_;
    const auto pause =
        terminal_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(10000);
    if (p.index > 0 && (next || now - shown_ >= pause)) {
      shown_ = now;
      index_ = p.index;
      stage_ = p.stage;
      if (terminal_ || p.stage == FetchStage::Fetching || p.stage == FetchStage::Waiting) write(p);
    }
    return !interrupted().stop_requested();
  }
  void end() const {
    if (terminal_ && index_ > 0) std::fputc('\n', stderr);
  }

 private:
  void write(const FetchProgress& p) const {
    std::string line = std::to_string(p.index) + " of " + std::to_string(p.count) + "  " + p.file +
                       "  " + size_text(p.done) + " of " + size_text(p.total);
    if (p.stage == FetchStage::Waiting) line += "  waiting for another program that fetches it";
    if (p.stage == FetchStage::Checking) line += "  checking";
    if (p.stage == FetchStage::Fetching && p.bytes_per_second > 0)
      line += "  " + size_text(p.bytes_per_second) + "/s";
    std::fprintf(stderr, terminal_ ? "\r\033[K%s" : "%s\n", line.c_str());
    std::fflush(stderr);
  }

  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::chrono::steady_clock::time_point shown_{};
  std::size_t index_ = 0;
  FetchStage stage_ = FetchStage::Asking;
};

Status fetch(FetchRequest request, bool json) {
  request.hub = hub_settings();
  ProgressLine line;
  const auto fetched = fetch_model(request, [&](const FetchProgress& p) { return line.show(p); });
  line.end();
  if (!fetched) return fetched.error();
  if (json) {
    print_json({{"repository", request.repository},
                {"revision", request.revision},
                {"commit", fetched->commit},
                {"folder", fetched->folder.string()},
                {"files", fetched->files},
                {"bytes", fetched->bytes},
                {"fetched_bytes", fetched->fetched_bytes}});
    return {};
  }
  print_line(fetched->folder.string());
  return {};
}

}  // namespace

Action add_fetch(CLI::App& app) {
  struct FetchOptions {
    FetchRequest request;
    bool json = false, dataset = false;
  };
  const auto o = std::make_shared<FetchOptions>();
  app.add_option("REPO_ID", o->request.repository, "A repository of the hub: organisation/name")
      ->required();
  app.add_flag("--dataset", o->dataset, "It is a repository of a dataset");
  app.add_option("--revision", o->request.revision, "A branch, tag or commit")
      ->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  app.footer(
      "Of a model only safetensors, JSON, jinja and tokenizer files, of a dataset its rows and "
      "pictures, each checked against the published hash, into the Hugging Face cache. Honours "
      "HF_HOME,\n"
      "HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE. After a cut or Ctrl+C the same "
      "command goes on.");
  return [o] {
    if (o->dataset) o->request.kind = HubKind::Dataset;
    return fetch(o->request, o->json);
  };
}

}  // namespace luthier::cli
