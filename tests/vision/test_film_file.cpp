// SPDX-License-Identifier: GPL-3.0-or-later
// Films in files: each frame that is asked for, to the pixel where nothing was lost, whatever
// stands between; turned as the file says; and a sentence for what is no whole film.
#include "tests/vision/film_maker.h"

#include <QTemporaryDir>
#include <fstream>
#include <numeric>

#include "engine/vision/film.h"

using namespace luthier;
using namespace luthier::test;
namespace fs = std::filesystem;

namespace {

std::string said(const auto& result) { return result.ok() ? "" : result.error().sentence(); }

std::vector<Image> noise_frames(int count, int width = 40, int height = 24) {
  std::vector<Image> frames;
  for (int i = 0; i < count; ++i)
    frames.push_back(noise(width, height, static_cast<std::uint32_t>(i + 1)));
  return frames;
}

/// Frames that grow brighter from one to the next, by what a lossy codec keeps.
std::vector<Image> brightening_frames(int count) {
  std::vector<Image> frames;
  for (int i = 0; i < count; ++i) {
    Image image{64, 48, {}};
    for (int y = 0; y < image.height; ++y)
      for (int x = 0; x < 3 * image.width; ++x)
        image.rgb.push_back(static_cast<std::uint8_t>(x / 12 + y / 2 + 150 * i / count));
    frames.push_back(std::move(image));
  }
  return frames;
}

double brightness(const Image& image) {
  return std::accumulate(image.rgb.begin(), image.rgb.end(), 0.0) /
         static_cast<double>(image.rgb.size());
}

std::vector<Image> all_of(const FilmSource& film, const std::vector<std::int64_t>& indices) {
  std::vector<Image> frames;
  const Status done = film.each(indices, [&](const Image& image) -> Status {
    frames.push_back(image);
    return {};
  });
  if (!done) qWarning("%s", said(done).c_str());
  return done ? frames : std::vector<Image>();
}

std::vector<std::int64_t> every(std::int64_t count) {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < count; ++i) indices.push_back(i);
  return indices;
}

std::string error_of(const std::string& bytes, const DecodeLimits& limits = {}) {
  const auto film = open_film_bytes(bytes, {}, "row 3", limits);
  if (!film) return said(film);
  return said(
      (*film)->each(every((*film)->length().frames), [](const Image&) -> Status { return {}; }));
}

/// All places of `from` in a film's bytes, written over.
std::string replaced(std::string bytes, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = bytes.find(from, at)) != std::string::npos; at += to.size())
    bytes.replace(at, from.size(), to);
  return bytes;
}

const FilmRecipe kLossless[] = {
    {},
    {.container = "avi"},
    {.container = "mov", .codec = AV_CODEC_ID_PNG, .pixels = AV_PIX_FMT_RGB24},
    {.container = "mov", .codec = AV_CODEC_ID_PNG, .pixels = AV_PIX_FMT_RGB24, .index_first = true},
    {.container = "nut", .rate = 3},
};

}  // namespace

class TestFilmFile : public QObject {
  Q_OBJECT

 private slots:
  void readsWhatTorchcodecDoes() {
    const Json rows = expectations("film_files");
    QVERIFY(rows.size() >= 6);
    for (const Json& row : rows) {
      const std::string name = row["file"];
      const auto film =
          open_film_file(fs::path(LUTHIER_TEST_DATA) / "vision" / "films" / name, {}, "row 3");
      QVERIFY2(film.ok(), said(film).c_str());
      const FilmLength length = (*film)->length();
      QVERIFY2(length.frames == row["frames"].get<std::int64_t>(), name.c_str());
      QVERIFY2(length.fps && std::abs(*length.fps - row["fps"].get<double>()) < 1e-9, name.c_str());
      QVERIFY2(length.seconds && std::abs(*length.seconds - row["seconds"].get<double>()) < 1e-9,
               name.c_str());
      const auto size = (*film)->size({0});
      QVERIFY(size.ok() && size->width == row["size"][0] && size->height == row["size"][1]);
      const std::vector<Image> all = all_of(**film, every(length.frames));
      QVERIFY2(all.size() == std::size_t(length.frames), name.c_str());
      for (const auto& [index, expected] : row["digests"].items()) {
        const auto at = static_cast<std::size_t>(std::stoi(index));
        QVERIFY2(digest(all[at].rgb) == expected.get<std::string>(), (name + index).c_str());
        const std::vector<Image> alone = all_of(**film, {static_cast<std::int64_t>(at)});
        QVERIFY2(alone.size() == 1 && alone[0].rgb == all[at].rgb, (name + index).c_str());
      }
    }
  }

  void framesComeBackAsTheyWere() {
    const std::vector<Image> frames = noise_frames(31);
    for (const FilmRecipe& recipe : kLossless) {
      const std::string bytes = film_of(frames, recipe);
      QVERIFY2(!bytes.empty(), recipe.container);
      const auto film = open_film_bytes(bytes, {}, "row 3");
      QVERIFY2(film.ok(), (recipe.container + said(film)).c_str());
      const FilmLength length = (*film)->length();
      QVERIFY2(length.frames == 31, recipe.container);
      QVERIFY(length.fps && std::abs(*length.fps - recipe.rate) < 0.05);
      QVERIFY(length.seconds && std::abs(*length.seconds - 31.0 / recipe.rate) < 0.01);
      const auto size = (*film)->size({0, 30});
      QVERIFY(size.ok() && size->width == 40 && size->height == 24);
      const std::vector<Image> all = all_of(**film, every(31));
      QCOMPARE(all.size(), frames.size());
      for (std::size_t i = 0; i < all.size(); ++i)
        QVERIFY2(all[i].rgb == frames[i].rgb, (recipe.container + std::to_string(i)).c_str());
      const std::vector<Image> some = all_of(**film, {3, 4, 19, 30});
      QVERIFY(some.size() == 4 && some[0].rgb == frames[3].rgb && some[1].rgb == frames[4].rgb);
      QVERIFY(some[2].rgb == frames[19].rgb && some[3].rgb == frames[30].rgb);
    }
  }

  void framesThatAreStoredInAnotherOrderAreFound() {
    const std::vector<Image> frames = brightening_frames(80);
    for (const char* container : {"mp4", "matroska", "avi", "mpegts"}) {
      FilmRecipe recipe{.container = container,
                        .codec = AV_CODEC_ID_MPEG4,
                        .pixels = AV_PIX_FMT_YUV420P,
                        .between = 2};
      const auto film = open_film_bytes(film_of(frames, recipe), {}, "row 3");
      QVERIFY2(film.ok(), (container + said(film)).c_str());
      QVERIFY2((*film)->length().frames == 80, container);
      const std::vector<Image> all = all_of(**film, every(80));
      QCOMPARE(all.size(), std::size_t{80});
      for (std::size_t i = 0; i < 80; ++i)
        QVERIFY2(std::abs(brightness(all[i]) - brightness(frames[i])) < 0.9,
                 (container + std::to_string(i)).c_str());
      for (const std::int64_t first : {0, 11, 12, 13, 37, 61}) {
        const std::vector<Image> pair = all_of(**film, {first, first + 18});
        QVERIFY2(pair.size() == 2, container);
        QVERIFY2(pair[0].rgb == all[std::size_t(first)].rgb, container);
        QVERIFY2(pair[1].rgb == all[std::size_t(first + 18)].rgb, container);
      }
    }
  }

  void whatLiesFarFromWhatIsAskedForIsNotDecoded() {
    FilmRecipe recipe{
        .container = "mp4", .codec = AV_CODEC_ID_MPEG4, .pixels = AV_PIX_FMT_YUV420P, .between = 2};
    const std::uint64_t before = decoded_pictures();
    const auto film = open_film_bytes(film_of(brightening_frames(200), recipe), {}, "row 3");
    QVERIFY(film.ok());
    QCOMPARE(decoded_pictures(), before);
    QCOMPARE(all_of(**film, {1, 100, 199}).size(), std::size_t{3});
    const std::uint64_t decoded = decoded_pictures() - before;
    QVERIFY2(decoded <= 2 + 12 + 12, std::to_string(decoded).c_str());
  }

  void filmsAreTurnedAsTheySay() {
    constexpr std::int32_t kOne = 1 << 16, kUnit = 1 << 30;
    const std::vector<Image> frames = noise_frames(2, 40, 24);
    const auto from = [&](int x, int y) { return frames[1].rgb[std::size_t(y * 40 + x) * 3]; };
    struct Turn {
      std::int32_t a, b, c, d;
      std::uint8_t left_top, right_top;
    };
    // What comes to stand in the upper corners: a player puts (x, y) to (a x + c y, b x + d y).
    for (const Turn& turn : {Turn{kOne, 0, 0, kOne, from(0, 0), from(39, 0)},
                             Turn{-kOne, 0, 0, kOne, from(39, 0), from(0, 0)},
                             Turn{-kOne, 0, 0, -kOne, from(39, 23), from(0, 23)},
                             Turn{kOne, 0, 0, -kOne, from(0, 23), from(39, 23)},
                             Turn{0, kOne, kOne, 0, from(0, 0), from(0, 23)},
                             Turn{0, kOne, -kOne, 0, from(0, 23), from(0, 0)},
                             Turn{0, -kOne, -kOne, 0, from(39, 23), from(39, 0)},
                             Turn{0, -kOne, kOne, 0, from(39, 0), from(39, 23)}}) {
      FilmRecipe recipe{.container = "mov", .codec = AV_CODEC_ID_PNG, .pixels = AV_PIX_FMT_RGB24};
      recipe.matrix = {turn.a, turn.b, 0, turn.c, turn.d, 0, 0, 0, kUnit};
      const auto film = open_film_bytes(film_of(frames, recipe), {}, "row 3");
      QVERIFY2(film.ok(), said(film).c_str());
      const int width = turn.a ? 40 : 24;
      const auto size = (*film)->size({1});
      QVERIFY(size.ok() && size->width == width && size->height == 64 - width);
      const std::vector<Image> shown = all_of(**film, {1});
      QVERIFY(shown.size() == 1 && shown[0].width == width);
      QCOMPARE(shown[0].rgb[0], turn.left_top);
      QCOMPARE(shown[0].rgb[std::size_t(width - 1) * 3], turn.right_top);
    }
  }

  void aFilmThatIsCutIsRefused() {
    for (FilmRecipe recipe : kLossless) {
      const std::string bytes = film_of(noise_frames(20), recipe);
      if (recipe.container == std::string_view("nut")) continue;  // it tells nobody its length
      for (int part = 1; part < 20; ++part) {
        const std::string cut = bytes.substr(0, bytes.size() * std::size_t(part) / 20);
        const std::string error = error_of(cut);
        QVERIFY2(error.find("row 3") == 0,
                 (recipe.container + std::to_string(part) + ": " + error).c_str());
      }
    }
  }

  void aFilmThatIsDamagedGivesASentenceOrFrames() {
    for (FilmRecipe recipe : kLossless) {
      const std::string bytes = film_of(noise_frames(6), recipe);
      std::uint32_t state = 7;
      for (int i = 0; i < 60; ++i) {
        std::string damaged = bytes;
        for (int k = 0; k < 8; ++k) {
          state = state * 1664525u + 1013904223u;
          damaged[(state >> 8) % damaged.size()] = static_cast<char>(state >> 24);
        }
        const std::string error = error_of(damaged, {1'000'000});
        QVERIFY(error.empty() || error.find("row 3") == 0);
      }
    }
  }

  void whatCannotBeShownIsNamed() {
    FilmRecipe mjpeg{.container = "avi", .codec = AV_CODEC_ID_MJPEG, .pixels = AV_PIX_FMT_YUVJ420P};
    const std::string film = film_of(noise_frames(3), mjpeg);
    QCOMPARE(error_of(film), std::string());
    const std::string unknown = error_of(replaced(film, "MJPG", "ZZZZ"));
    QVERIFY2(unknown.find("FFmpeg's libraries do not decode") != std::string::npos,
             unknown.c_str());
    const std::string huge = error_of(film, {40 * 24 - 1});
    QVERIFY2(huge.find("40 x 24 pixels, more than the limit") != std::string::npos, huge.c_str());
    std::vector<Image> frames = noise_frames(3);
    frames.push_back(noise(48, 24, 9));
    const std::string sizes = error_of(film_of(frames, mjpeg));
    QVERIFY2(sizes.find("frame 3 has 48 x 24 pixels") != std::string::npos, sizes.c_str());
    const std::string text = error_of("This is a text about films, and none.\n");
    QVERIFY2(text.find("row 3") == 0, text.c_str());
  }

  void soundAloneIsNoFilm() {
    // An AVI whose one stream says that it is sound.
    const std::string film =
        film_of(noise_frames(3),
                {.container = "avi", .codec = AV_CODEC_ID_MJPEG, .pixels = AV_PIX_FMT_YUVJ420P});
    const std::string error = error_of(replaced(film, "vids", "auds"));
    QVERIFY2(error.find("no video stream") != std::string::npos, error.c_str());
  }

  void aListOfOtherFilesIsNotFollowed() {
    const QTemporaryDir made;
    const fs::path folder = made.path().toStdString();
    std::ofstream(folder / "film.mkv", std::ios::binary) << film_of(noise_frames(3), {});
    QVERIFY(open_film_file(folder / "film.mkv", {}, "row 3").ok());
    for (const char* text : {"ffconcat version 1.0\nfile film.mkv\n",
                             "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfilm.mkv\n"}) {
      std::ofstream(folder / "list.mkv", std::ios::binary | std::ios::trunc) << text;
      QVERIFY(!open_film_file(folder / "list.mkv", {}, "row 3").ok());
    }
  }

  void theRowsFramesPerSecondStand() {
    const auto film = open_film_bytes(film_of(noise_frames(6), {}), 2.0, "row 3");
    QVERIFY(film.ok());
    QVERIFY((*film)->length().fps == 2.0 && (*film)->length().seconds == 3.0);
    const auto skip = [](const Image&) -> Status { return {}; };
    QVERIFY(said((*film)->each({6}, skip)).find("no frame 6") != std::string::npos);
    QVERIFY(said((*film)->size({-1})).find("no frame -1") != std::string::npos);
    const auto stop = [](const Image&) -> Status { return input_error("enough"); };
    QVERIFY(said((*film)->each({0, 1}, stop)).find("enough") != std::string::npos);
  }
};

QTEST_APPLESS_MAIN(TestFilmFile)
#include "test_film_file.moc"
