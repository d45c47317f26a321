// SPDX-License-Identifier: GPL-3.0-or-later
// Ask what there is, check names and room, then one file after the other: lock, go on where it
// ended, check, move into place, link. The ref is written last, so a branch never points at half a
// snapshot.
#include "engine/hub/fetch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <deque>
#include <thread>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/hub/cache_folder.h"
#include "engine/hub/listing.h"
#include "engine/hub/transfer.h"

namespace luthier {

namespace {

using Clock = std::chrono::steady_clock;

/// What is said while it runs, at most every 50 ms, with the speed of the last seconds.
class Watch {
 public:
  explicit Watch(const std::function<bool(const FetchProgress&)>& tell) : tell_(tell) {}

  FetchProgress state;

  bool tick(bool now = false) {
    const auto time = Clock::now();
    if (!now && time - told_ < std::chrono::milliseconds(50)) return go_on_;
    told_ = time;
    marks_.emplace_back(time, arrived_);
    while (marks_.size() > 2 && time - marks_.front().first > std::chrono::seconds(5))
      marks_.pop_front();
    const double seconds = std::chrono::duration<double>(time - marks_.front().first).count();
    state.bytes_per_second =
        seconds > 0.2 ? static_cast<double>(arrived_ - marks_.front().second) / seconds : 0;
    if (tell_ && !tell_(state)) go_on_ = false;
    return go_on_;
  }
  void arrive(std::uint64_t bytes) {
    arrived_ += bytes;
    state.done += bytes;
  }
  std::uint64_t arrived() const { return arrived_; }

 private:
  const std::function<bool(const FetchProgress&)>& tell_;
  Clock::time_point told_{};
  std::deque<std::pair<Clock::time_point, std::uint64_t>> marks_;
  std::uint64_t arrived_ = 0;
  bool go_on_ = true;
};

class Fetch {
 public:
  Fetch(const FetchRequest& request, const std::function<bool(const FetchProgress&)>& watch)
      : request_(request),
        place_(request.hub.endpoint + (request.kind == HubKind::Dataset ? "/datasets/" : "/") +
               request.repository),
        watch_(watch),
        go_on_([this] { return watch_.tick(); }) {}

  Result<FetchedModel> run();

 private:
  std::string file_url(const HubFile& file, const std::string& commit) const {
    return place_ + "/resolve/" + commit + "/" + url_part(file.name, true);
  }
  Status refused(const HttpHead& head, const std::string& what) const;
  Result<HubListing> ask();
  Status complete(HubFile& file, const std::string& commit);
  Status fetch_file(const CacheFolder& folder, const HubFile& file, const std::string& commit);
  Status attempt(const CacheFolder& folder, const HubFile& file, const std::string& url);
  Error cut_off(const CacheFolder& folder, const HubFile& file, const Error& why) const;

  const FetchRequest& request_;
  const std::string place_;
  Watch watch_;
  const std::function<bool()> go_on_;
};

/// What a status that is no success means, and what to do.
Status Fetch::refused(const HttpHead& head, const std::string& what) const {
  if (head.status >= 200 && head.status < 300) return {};
  const std::string where = what.empty() ? place_ : place_ + ": " + what,
                    code = head.header("x-error-code");
  const std::string get_token = "make a read token in the hub's settings and set HF_TOKEN";
  switch (head.status) {
    case 401:
      if (request_.hub.token.empty()) {
        return input_error(
            "The hub wants a token (401): the repository is gated or private, or there is none of "
            "this id.",
            where,
            "Check the id. For a gated one accept its terms at " + place_ + ", " + get_token + ".");
      }
      return input_error("The hub refuses the token (401), or there is no repository of this id.",
                         where, "Check the id and HF_TOKEN; " + get_token + ".");
    case 403:
      return input_error(
          "The hub does not let you have this (403): the repository is gated or private.", where,
          "Ask for access at " + place_ +
              (request_.hub.token.empty() ? ", " + get_token + "."
                                          : ", with the account that the token is of."));
    case 404:
      if (!what.empty())
        return input_error("The hub lists this file and does not have it (404).", where,
                           "Fetch again later, or another revision.");
      if (code == "RevisionNotFound")
        return input_error("The repository has no revision " + request_.revision + " (404).", where,
                           "Give a branch, a tag or a commit of it.");
      return input_error("There is no such repository or revision (404).", where,
                         "Check the id and the revision " + request_.revision + ".");
    case 429:
      return machine_error("The hub says that it is asked too often (429).", where,
                           "Wait a few minutes and fetch again; what came is kept.");
    default:
      if (head.status >= 500)
        return machine_error(
            "The hub has a fault of its own (" + std::to_string(head.status) + ").", where,
            "Try again later; what came is kept.");
      return input_error("The hub answers with " + std::to_string(head.status) + ".", where,
                         "Check the id and HF_ENDPOINT.");
  }
}

Result<HubListing> Fetch::ask() {
  std::string answer;
  HttpRequest http;
  const bool dataset = request_.kind == HubKind::Dataset;
  http.url = request_.hub.endpoint + (dataset ? "/api/datasets/" : "/api/models/") +
             request_.repository + "/revision/" + url_part(request_.revision) + "?blobs=true";
  http.token = request_.hub.token;
  http.go_on = go_on_;
  http.body = [&](std::string_view piece) -> Status {
    if (piece.size() > kMaxListingBytes - answer.size()) {
      return input_error(
          "The hub's answer is larger than " + std::to_string(kMaxListingBytes) + " bytes.", place_,
          "This is no list of a repository. Check HF_ENDPOINT.");
    }
    answer.append(piece);
    return {};
  };
  LUTHIER_TRY(const HttpHead head, http_get(http));
  LUTHIER_CHECK(refused(head, ""));
  return parse_listing(answer, place_);
}

/// Asks about one file when the list said neither size nor hash.
Status Fetch::complete(HubFile& file, const std::string& commit) {
  if (file.size && !file.hash.empty()) return {};
  HttpRequest http;
  http.url = file_url(file, commit);
  http.token = request_.hub.token;
  http.head_only = true;
  http.go_on = go_on_;
  LUTHIER_TRY(const HttpHead head, http_get(http));
  if (head.status < 300 || head.status >= 400) LUTHIER_CHECK(refused(head, file.name));
  const std::string linked = head.header("x-linked-etag"),
                    linked_size = head.header("x-linked-size");
  std::string hash = linked.empty() ? head.header("etag") : linked;
  if (hash.starts_with("W/")) hash.erase(0, 2);
  std::erase(hash, '"');
  if (file.hash.empty() && (is_hex(hash, 64) || is_hex(hash, 40))) file.hash = hash;
  if (file.hash.empty())
    return input_error("The hub publishes no hash for this file, so it cannot be checked.",
                       place_ + ": " + file.name, "Check HF_ENDPOINT.");
  const std::string size =
      linked_size.empty() && head.status < 300 ? head.header("content-length") : linked_size;
  const bool number = !size.empty() && size.size() < 16 &&
                      size.find_first_not_of("0123456789") == std::string::npos;
  if (!file.size && number) file.size = std::stoull(size);
  if (!file.size)
    return input_error("The hub does not say how large this file is.", place_ + ": " + file.name,
                       "Check HF_ENDPOINT.");
  return {};
}

Error Fetch::cut_off(const CacheFolder& folder, const HubFile& file, const Error& why) const {
  Error error = why;
  const std::uint64_t kept = folder.kept(file);
  error.what += " Kept are " + size_text(kept) + " of the " + size_text(file.size.value_or(0)) +
                " of " + file.name + ", and all files before it.";
  error.hint = "Fetch again to go on from there.";
  return error;
}

Status Fetch::attempt(const CacheFolder& folder, const HubFile& file, const std::string& url) {
  const std::filesystem::path path = folder.incomplete(file);
  std::uint64_t at = folder.kept(file);
  const std::uint64_t size = *file.size;
  if (at == size && size > 0) return {};
  Descriptor out(::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (out.get() < 0) return system_error("This file cannot be written", path, errno);
  const auto begin_at = [&](std::uint64_t offset) -> Status {
    if (::ftruncate(out.get(), static_cast<off_t>(offset)) != 0 ||
        ::lseek(out.get(), static_cast<off_t>(offset), SEEK_SET) < 0) {
      return system_error("This file cannot be written", path, errno);
    }
    watch_.state.done -= at - offset;  // kept bytes that come again
    at = offset;
    return {};
  };
  LUTHIER_CHECK(begin_at(at));
  HttpRequest http;
  http.url = url;
  http.token = request_.hub.token;
  http.from = at;
  http.go_on = go_on_;
  http.started = [&](const HttpHead& head) -> Status {
    if (head.status != 206) return begin_at(0);  // the hub sends the whole
    if (head.header("content-range").starts_with("bytes " + std::to_string(at) + "-")) return {};
    return machine_error("The hub sends another part of the file than was asked for.",
                         place_ + ": " + file.name, "Fetch again later.");
  };
  http.body = [&](std::string_view piece) -> Status {
    if (piece.size() > size - at) {
      LUTHIER_CHECK(begin_at(0));
      return input_error("The hub sends more than the " + std::to_string(size) +
                             " bytes that it publishes, so they were removed.",
                         place_ + ": " + file.name,
                         "Fetch again. If it happens again, the hub's copy is damaged or somebody "
                         "changes it on the way.");
    }
    LUTHIER_CHECK(write_all(out, piece, path));
    at += piece.size();
    watch_.arrive(piece.size());
    return {};
  };
  LUTHIER_TRY(const HttpHead head, http_get(http));
  LUTHIER_CHECK(refused(head, file.name));
  if (!out.close()) return system_error("Writing failed", path, errno);
  if (at < size)
    return machine_error("The connection was cut: the file ends early.", place_ + ": " + file.name);
  return {};
}

Status Fetch::fetch_file(const CacheFolder& folder, const HubFile& file,
                         const std::string& commit) {
  watch_.state.stage = FetchStage::Waiting;
  LUTHIER_TRY(const Descriptor lock, folder.lock(file, go_on_));
  if (folder.has(file)) {  // another program had it
    watch_.state.done += *file.size;
    return {};
  }
  watch_.state.done += folder.kept(file);
  watch_.state.stage = FetchStage::Fetching;
  if (!watch_.tick(true)) return interrupted_error();
  for (int attempt_number = 1;; ++attempt_number) {
    const std::uint64_t before = watch_.arrived();
    const Status status = attempt(folder, file, file_url(file, commit));
    if (status) break;
    const Error& error = status.error();
    if (folder.kept(file) == 0) ::unlink(folder.incomplete(file).c_str());
    const bool cut =
        error.code == ErrorCode::Machine && error.what.starts_with("The connection was cut");
    if (error.code == ErrorCode::Interrupted)
      return cut_off(folder, file, interrupted_error("Cancelled."));
    if (!cut) return error;
    if (attempt_number >= request_.attempts || watch_.arrived() == before)
      return cut_off(folder, file, error);
    log_warning(error.sentence() + " Going on from there.");
    for (int wait = 0; wait < 10; ++wait) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (!watch_.tick()) return cut_off(folder, file, interrupted_error("Cancelled."));
    }
  }
  watch_.state.stage = FetchStage::Checking;
  watch_.tick(true);
  return folder.finish(file, go_on_);
}

Result<FetchedModel> Fetch::run() {
  LUTHIER_CHECK(check_repository(request_.repository));
  LUTHIER_CHECK(check_revision(request_.revision));
  LUTHIER_CHECK(check_endpoint(request_.hub.endpoint));
  if (request_.hub.offline)
    return input_error("Nothing is fetched while HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set.",
                       place_, "Unset it to fetch.");
  if (!watch_.tick(true)) return interrupted_error();
  LUTHIER_TRY(const HubListing listing, ask());
  LUTHIER_TRY(std::vector<HubFile> files, request_.kind == HubKind::Dataset
                                              ? dataset_files(listing, place_)
                                              : files_to_fetch(listing, place_));
  watch_.state.count = files.size();
  std::uint64_t total = 0;
  for (HubFile& file : files) {
    LUTHIER_CHECK(complete(file, listing.commit));
    if (__builtin_add_overflow(total, *file.size, &total))
      return input_error("The files together are larger than any disk.", place_);
  }
  LUTHIER_TRY(const CacheFolder folder, CacheFolder::open(request_.hub.cache, request_.repository,
                                                          listing.commit, request_.kind));
  std::uint64_t missing = 0;
  for (const HubFile& file : files)
    if (!folder.has(file)) missing += *file.size - folder.kept(file);
  LUTHIER_CHECK(folder.check_space(missing));
  watch_.state.total = total;
  for (const HubFile& file : files) {
    watch_.state.file = file.name;
    ++watch_.state.index;
    if (folder.has(file))
      watch_.state.done += *file.size;
    else
      LUTHIER_CHECK(fetch_file(folder, file, listing.commit));
    LUTHIER_CHECK(folder.link(file));
    if (!watch_.tick())
      return interrupted_error("Cancelled. What came is kept; fetch again to go on from there.");
  }
  LUTHIER_CHECK(folder.set_ref(request_.revision));
  watch_.tick(true);
  return FetchedModel{folder.snapshot(), listing.commit, files.size(), total, watch_.arrived()};
}

}  // namespace

Result<FetchedModel> fetch_model(const FetchRequest& request,
                                 const std::function<bool(const FetchProgress&)>& watch) {
  return Fetch(request, watch).run();
}

}  // namespace luthier
