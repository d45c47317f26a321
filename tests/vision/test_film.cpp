// SPDX-License-Identifier: GPL-3.0-or-later
// Films: the frames that transformers' video processor samples, and the pixels that it makes of
// them, to the bit; sequences of pictures by name; broken sequences and settings name what is
// wrong.
#include "tests/vision/fixtures.h"

#include <QTemporaryDir>
#include <cmath>
#include <fstream>

#include "engine/vision/film.h"
#include "engine/vision/film_processor.h"

using namespace luthier;
using namespace luthier::test;
namespace fs = std::filesystem;

namespace {

/// Frames of noise, each another, made when they are asked for.
class NoiseFilm : public FilmSource {
 public:
  NoiseFilm(int width, int height, std::int64_t frames)
      : width_(width), height_(height), frames_(frames) {}
  FilmLength length() const override { return {frames_, 25}; }
  Result<ImageSize> size(const std::vector<std::int64_t>&) const override {
    return ImageSize{width_, height_};
  }
  Status each(const std::vector<std::int64_t>& indices, const Take& take) const override {
    for (const std::int64_t i : indices) {
      const auto seed = static_cast<std::uint32_t>(width_ * 1000 + height_ + 7 * i);
      LUTHIER_CHECK(take(noise(width_, height_, seed)));
    }
    return {};
  }

 private:
  int width_, height_;
  std::int64_t frames_;
};

FrameChoice choice_of(const Json& fields, const std::string& rule) {
  FrameChoice choice;
  choice.rule = rule == "even"    ? FrameRule::Even
                : rule == "ends"  ? FrameRule::Ends
                : rule == "inner" ? FrameRule::Inner
                                  : FrameRule::Patches;
  if (fields.contains("num_frames")) choice.num_frames = fields["num_frames"].get<std::int64_t>();
  if (fields.contains("fps")) choice.fps = fields["fps"].get<double>();
  choice.min_frames = fields.value("min_frames", choice.min_frames);
  choice.max_frames = fields.value("max_frames", choice.max_frames);
  choice.temporal_patch_size = fields.value("temporal_patch_size", choice.temporal_patch_size);
  return choice;
}

Result<std::unique_ptr<FilmProcessor>> made(const std::string& fields,
                                            const FilmLimits& limits = {}) {
  return FilmProcessor::create(
      Json::parse(R"({"video_processor_type": "Qwen2VLVideoProcessor")" + fields + "}"), "v.json",
      limits);
}

void write_png(const fs::path& path, const Image& image) {
  const auto bytes = encode_png(image);
  QVERIFY(bytes.ok());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes->data()),
             static_cast<std::streamsize>(bytes->size()));
}

std::string said(const auto& result) { return result.ok() ? "" : result.error().sentence(); }

}  // namespace

class TestFilm : public QObject {
  Q_OBJECT

 private slots:
  void choosesTheFramesThatTransformersDoes() {
    std::size_t chosen = 0, refused = 0;
    const Json rows = expectations("films")["chosen"];
    for (const Json& row : rows) {
      const FilmLength film{row["frames"].get<std::int64_t>(), row["fps"].get<double>()};
      const auto indices = choose_frames(film, choice_of(row["choice"], row.value("rule", "")));
      if (row["count"].is_null()) {
        QVERIFY2(!indices.ok(), row.dump().c_str());
        ++refused;
        continue;
      }
      QVERIFY2(indices.ok(), (row.dump() + said(indices)).c_str());
      QVERIFY2(indices->size() == row["count"].get<std::size_t>(), row.dump().c_str());
      QVERIFY2(digest(*indices) == row["digest"].get<std::string>(), row.dump().c_str());
      ++chosen;
    }
    QVERIFY(chosen > 1900 && refused > 250);
  }

  void withoutAChoiceAllFramesAreShown() {
    const auto all = choose_frames({5, {}}, {});
    QVERIFY(all.ok());
    QCOMPARE(*all, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
    QVERIFY(choose_frames({kMaxChosenFrames, {}}, {}).ok());
    QVERIFY(said(choose_frames({kMaxChosenFrames + 1, {}}, {})).find("4097 frames") !=
            std::string::npos);
  }

  void choicesThatCannotBeAreRefused() {
    FrameChoice fps;
    fps.fps = 2;
    QVERIFY(said(choose_frames({100, {}}, fps)).find("does not say") != std::string::npos);
    QVERIFY(said(choose_frames({1, 25}, fps)).find("no whole patch of 2") != std::string::npos);
    FrameChoice number;
    number.num_frames = 1;
    QVERIFY(said(choose_frames({9, {}}, number)).find("no whole patch of 2") != std::string::npos);
    number.num_frames = 12;
    QVERIFY(
        said(choose_frames({9, {}}, number)).find("12 frames are asked for, and the film has 9") !=
        std::string::npos);
    QVERIFY(!choose_frames({0, {}}, {}).ok());
    QVERIFY(!choose_frames({kMaxFilmFrames + 1, 25}, fps).ok());
    for (const double bad : {0.0, -1.0, std::nan(""), 1e300}) {
      QVERIFY(!choose_frames({100, bad}, fps).ok());
      FrameChoice choice;
      choice.fps = bad;
      QVERIFY(!choose_frames({100, 25}, choice).ok());
    }
    fps.num_frames = 4;
    QVERIFY(!choose_frames({100, 25}, fps).ok());
  }

  void secondsFollowFromWhatIsChosen() {
    QCOMPARE(chosen_fps({100, 25}, 8), 2.0);
    QCOMPARE(chosen_fps({100, {}}, 8), 24.0);
  }

  void makesTheSamePixels() {
    const Json rows = expectations("films")["processed"];
    QVERIFY(rows.size() > 8);
    for (const Json& row : rows) {
      const auto processor = FilmProcessor::create(row["config"], "v.json");
      QVERIFY2(processor.ok(), said(processor).c_str());
      const NoiseFilm film(row["film"][0], row["film"][1], row["film"][2]);
      const auto indices = choose_frames(film.length(), (*processor)->choice());
      QVERIFY(indices.ok());
      const auto pixels = (*processor)->process(film, *indices);
      QVERIFY2(pixels.ok(), (row.dump() + said(pixels)).c_str());
      QVERIFY2(pixels->shape == row["shape"].get<std::vector<std::int64_t>>(), row.dump().c_str());
      QVERIFY2(pixels->grid == row["grid"].get<std::vector<std::int64_t>>(), row.dump().c_str());
      QVERIFY2(digest(pixels->values) == row["digest"].get<std::string>(), row.dump().c_str());
      const auto outline =
          (*processor)
              ->outline({row["film"][0], row["film"][1]}, row["film"][2].get<std::int64_t>());
      QVERIFY(outline.ok() && outline->shape == pixels->shape && outline->grid == pixels->grid);
      QVERIFY(outline->values.empty());
    }
  }

  void recipesStandInPlaceOfTheFoldersNumbers() {
    FilmLimits limits;
    limits.fps = 1.5;
    limits.max_frames = 12;
    limits.pixels.max_pixels = 28 * 28 * 4;
    limits.pixels.min_pixels = 28 * 28;
    const auto processor = made(R"(, "num_frames": 8, "do_sample_frames": true)", limits);
    QVERIFY2(processor.ok(), said(processor).c_str());
    QVERIFY(!(*processor)->choice().num_frames && (*processor)->choice().fps == 1.5);
    QCOMPARE((*processor)->choice().max_frames, std::int64_t{12});
    QCOMPARE((*processor)->outline({640, 640}, 4)->grid, (std::vector<std::int64_t>{2, 4, 4}));
    // The folder's own are read where it samples by itself, and only there.
    QVERIFY((*made(R"(, "num_frames": 8, "do_sample_frames": true)"))->choice().num_frames == 8);
    QVERIFY(!(*made(R"(, "num_frames": 8)"))->choice().num_frames);
    limits.num_frames = 3;
    QVERIFY(said(made("", limits)).find("film.num_frames, film.fps") != std::string::npos);
  }

  void badSettingsNameTheirField() {
    const std::pair<const char*, const char*> cases[] = {
        {R"("fps": 0, "do_sample_frames": true)", "fps"},
        {R"("fps": 1, "num_frames": 2, "do_sample_frames": true)", "num_frames"},
        {R"("num_frames": -1, "do_sample_frames": true)", "num_frames"},
        {R"("min_frames": -1)", "min_frames"},
        {R"("max_frames": 0)", "max_frames"},
        {R"("temporal_patch_size": 65)", "temporal_patch_size"},
        {R"("patch_size": 0)", "patch_size"},
        {R"("merge_size": 1000)", "merge_size"},
        {R"("resample": 0)", "resample"},
        {R"("max_video_tokens": 9e18)", "max_video_tokens"},
        {R"("cap_pixels_per_frame": 3)", "cap_pixels_per_frame"},
        {R"("size": 5)", "size"}};
    for (const auto& [fields, name] : cases) {
      const auto processor = made(std::string(", ") + fields);
      QVERIFY2(!processor.ok(), fields);
      QVERIFY2(said(processor).find(name) != std::string::npos, said(processor).c_str());
    }
    const auto other = FilmProcessor::create(
        Json::parse(R"({"video_processor_type": "VivitVideoProcessor"})"), "v.json");
    QVERIFY(said(other).find("VivitVideoProcessor") != std::string::npos);
  }

  void tooMuchIsRefusedBeforeMemoryIsTaken() {
    const auto processor = made(R"(, "max_pixels": 100000000, "min_pixels": 1)");
    QVERIFY(processor.ok());
    QVERIFY(said((*processor)->outline({4000, 4000}, 4000)).find("patches") != std::string::npos);
    QVERIFY(!(*processor)->outline({400, 400}, kMaxChosenFrames + 1).ok());
    QVERIFY(!(*processor)->outline({400, 400}, 0).ok());
    QVERIFY(!(*processor)->outline({1, 900}, 2).ok());
    QVERIFY(!(*processor)->process(NoiseFilm(40, 40, 3), {}).ok());
  }

  void foldersAreReadInTheReferencesOrder() {
    const QTemporaryDir made_folder;
    const fs::path folder = made_folder.path().toStdString();
    const auto type_of = [&] {
      const auto processor = FilmProcessor::load(folder, "Qwen2VLVideoProcessor");
      return processor.ok() ? (*processor)->choice().max_frames : -1;
    };
    QCOMPARE(type_of(), std::int64_t{-1});
    const auto write = [&](const char* name, const char* text) {
      std::ofstream(folder / name) << text;
    };
    write("preprocessor_config.json", R"({"max_frames": 3})");
    QCOMPARE(type_of(), std::int64_t{3});
    write("video_preprocessor_config.json", R"({"max_frames": 5})");
    write("processor_config.json", R"({"image_processor": {}})");
    QCOMPARE(type_of(), std::int64_t{5});
    write("processor_config.json", R"({"video_processor": {"max_frames": 7}})");
    QCOMPARE(type_of(), std::int64_t{7});
  }

  void aFolderIsAFilmInTheOrderOfItsNumbers() {
    const QTemporaryDir made_folder;
    const fs::path folder = made_folder.path().toStdString();
    QVERIFY(!film_folder(folder / "none").ok());
    QVERIFY(said(film_folder(folder)).find("no pictures") != std::string::npos);
    for (const char* name :
         {"f10.png", "f9.png", "f010.png", "f2b.jpg", "f2.png", "f2a9.png", "F3.png", ".f1.png",
          "notes.txt", "f123456789012345678901234567890.png"})
      std::ofstream(folder / name) << "x";
    const auto pictures = film_folder(folder);
    QVERIFY2(pictures.ok(), said(pictures).c_str());
    std::vector<std::string> names;
    for (const fs::path& path : *pictures) names.push_back(path.filename().string());
    QCOMPARE(names, (std::vector<std::string>{"F3.png", "f2.png", "f2a9.png", "f2b.jpg", "f9.png",
                                              "f010.png", "f10.png",
                                              "f123456789012345678901234567890.png"}));
  }

  void aSequenceGivesItsFramesAndNamesBrokenOnes() {
    const QTemporaryDir made_folder;
    const fs::path folder = made_folder.path().toStdString();
    std::vector<fs::path> pictures;
    for (int i = 0; i < 4; ++i) {
      pictures.push_back(folder / (std::to_string(i) + ".png"));
      write_png(pictures.back(), noise(i == 3 ? 9 : 8, 6, static_cast<std::uint32_t>(i)));
    }
    pictures.push_back(folder / "missing.png");
    const auto film = open_sequence(pictures, 12.5, "row 3: videos[0]");
    QVERIFY(film.ok());
    QCOMPARE((*film)->length().frames, std::int64_t{5});
    QVERIFY((*film)->length().fps == 12.5);
    const std::uint64_t before = decoded_pictures();
    const auto size = (*film)->size({0, 2});
    QVERIFY(size.ok() && size->width == 8 && size->height == 6);
    QCOMPARE(decoded_pictures(), before);
    std::vector<Image> frames;
    const auto keep = [&](const Image& image) -> Status {
      frames.push_back(image);
      return {};
    };
    QVERIFY((*film)->each({0, 2}, keep).ok());
    QCOMPARE(decoded_pictures(), before + 2);
    QVERIFY(frames.size() == 2 && frames[1].rgb == noise(8, 6, 2).rgb);
    for (const auto& [index, part] :
         {std::pair{std::int64_t{3}, "3.png"}, {4, "missing.png"}, {5, "no frame 5"}}) {
      QVERIFY(said((*film)->size({0, index})).find(part) != std::string::npos);
      QVERIFY(said((*film)->each({0, index}, keep)).find(part) != std::string::npos);
    }
    // What `take` says ends it.
    const auto stop = [](const Image&) -> Status { return input_error("enough"); };
    QVERIFY(said((*film)->each({0, 4}, stop)).find("enough") != std::string::npos);
    QVERIFY(!open_sequence({}, {}, "row").ok());
    QVERIFY(!open_sequence(pictures, 0.0, "row").ok());
    QVERIFY(!open_sequence(std::vector<fs::path>(kMaxSequence + 1), {}, "row").ok());
  }

  void aTunedCheckpointKeepsItsLimits_data() {
    QTest::addColumn<QString>("file");
    QTest::newRow("one file") << "processor_config.json";
    QTest::newRow("its own") << "video_preprocessor_config.json";
    QTest::newRow("the pictures'") << "preprocessor_config.json";
  }
  void aTunedCheckpointKeepsItsLimits() {
    QFETCH(QString, file);
    const QTemporaryDir made;
    const fs::path folder = made.path().toStdString(), path = folder / file.toStdString();
    const Json settings =
        Json::parse(R"({"patch_size": 4, "size": {"shortest_edge": 64, "longest_edge": 4096}})");
    Json whole = settings;
    if (path.filename() == "processor_config.json") whole = {{"video_processor", settings}};
    std::ofstream(path) << whole.dump();
    const std::string type = "Qwen2VLVideoProcessor";
    FilmLimits limits;
    limits.fps = 1.5, limits.max_frames = 8, limits.min_frames = 2;
    limits.pixels.max_pixels = 512;
    QVERIFY(store_film_limits(folder, type, {}).ok());
    QVERIFY(!(*FilmProcessor::load(folder, type))->choice().fps);
    const Status stored = store_film_limits(folder, type, limits);
    QVERIFY2(stored.ok(), said(stored).c_str());
    const auto kept = FilmProcessor::load(folder, type),
               asked = FilmProcessor::create(
                   Json::parse(R"({"video_processor_type": "Qwen2VLVideoProcessor",
                       "patch_size": 4, "size": {"shortest_edge": 64, "longest_edge": 4096}})"),
                   "v.json", limits);
    QVERIFY2(kept.ok(), said(kept).c_str());
    QVERIFY((*kept)->choice().fps == 1.5 && (*kept)->choice().samples);
    QCOMPARE((*kept)->choice().max_frames, std::int64_t{8});
    QCOMPARE((*kept)->choice().min_frames, std::int64_t{2});
    QVERIFY((*kept)->outline({64, 48}, 4)->grid == (*asked)->outline({64, 48}, 4)->grid);
    QVERIFY((*kept)->outline({64, 48}, 4)->grid !=
            (*FilmProcessor::create(Json::parse(R"({"video_processor_type":
                "Qwen2VLVideoProcessor", "patch_size": 4})"),
                                    "v.json"))
                ->outline({64, 48}, 4)
                ->grid);
    limits.num_frames = 4;
    QVERIFY(said(store_film_limits(folder, type, limits)).find("both asked for") !=
            std::string::npos);
  }

  void whatIsNoFilmIsToldByItsKind() {
    const QTemporaryDir made;
    const fs::path folder = made.path().toStdString();
    const auto error = [&](const char* name, const std::string& bytes) {
      std::ofstream(folder / name, std::ios::binary) << bytes;
      return said(open_film_file(folder / name, {}, "row 3"));
    };
    QVERIFY(said(open_film_file(folder / "none.mp4", {}, "row 3")).find("is missing") !=
            std::string::npos);
    QVERIFY(said(open_film_file(folder, {}, "row 3")).find("no ordinary file") !=
            std::string::npos);
    QVERIFY(error("a.mp4", "").find("empty") != std::string::npos);
    QVERIFY(error("b.mp4", "PAR1aaaaaaaaaaaaaa").find("a Parquet file, not a film") !=
            std::string::npos);
    QVERIFY(error("c.mp4", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
                .find("git lfs pull") != std::string::npos);
    QVERIFY(error("c.mp4", "x").find("row 3: ") == 0);
    QVERIFY(said(open_film_bytes("x", 0.0, "row 3")).find("row 3: fps") != std::string::npos);
    // With FFmpeg's libraries or without them.
    const std::string other = said(open_film_bytes("x", {}, "row 3"));
    QVERIFY(other.find("its file is cut, broken or of a kind") != std::string::npos ||
            other.find("libavformat-dev") != std::string::npos);
  }
};

QTEST_APPLESS_MAIN(TestFilm)
#include "test_film.moc"
