// SPDX-License-Identifier: GPL-3.0-or-later
// A model, or a dataset, from a hub into the Hugging Face cache: only what a checkpoint, or rows,
// are made of, each file checked against the published hash, in the layout that other tools share.
// What was fetched before a cut or a cancel stays, and the next attempt goes on from there. Nothing
// here runs unless a person asks for it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "engine/base/result.h"
#include "engine/hub/places.h"

namespace luthier {

struct FetchRequest {
  std::string repository;         ///< "organisation/name"
  HubKind kind = HubKind::Model;  ///< of repository
  std::string revision = "main";  ///< branch, tag or commit
  HubSettings hub;
  int attempts = 3;  ///< for one file, as long as each attempt brings some bytes
};

enum class FetchStage { Asking, Waiting, Fetching, Checking };

struct FetchProgress {
  FetchStage stage = FetchStage::Asking;
  std::string file;
  std::size_t index = 0, count = 0;   ///< this file is number `index` (from 1) of `count`
  std::uint64_t done = 0, total = 0;  ///< bytes of all files, with those that were there already
  double bytes_per_second = 0;        ///< over the last seconds
};

struct FetchedModel {
  std::filesystem::path folder;  ///< snapshots/<commit>
  std::string commit;
  std::size_t files = 0;
  std::uint64_t bytes = 0,
                fetched_bytes = 0;  ///< of all files; what came over the network this time
};

/// Fetches what is missing, of a dataset too. `watch` is called several times a second; false
/// cancels (Interrupted error; what came is kept).
Result<FetchedModel> fetch_model(const FetchRequest& request,
                                 const std::function<bool(const FetchProgress&)>& watch);

}  // namespace luthier
