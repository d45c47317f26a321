// SPDX-License-Identifier: GPL-3.0-or-later
// Every mode of PNG, JPEG, WebP, GIF, BMP and TIFF decodes to Pillow's RGB; broken, cut and
// oversized files are refused in a sentence that names them.
#include "tests/vision/fixtures.h"

#include <fstream>

using namespace luthier;
using namespace luthier::test;

namespace {

std::filesystem::path write(const QTemporaryDir& folder, const std::string& name,
                            const std::vector<std::byte>& bytes) {
  const std::filesystem::path path = std::filesystem::path(folder.path().toStdString()) / name;
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  return path;
}

}  // namespace

class TestDecode : public QObject {
  Q_OBJECT

 private slots:
  void equalsPillow() {
    const Json rows = expectations("decoded");
    QVERIFY(rows.size() > 90);
    std::string different;
    for (const auto& [name, row] : rows.items()) {
      const auto image = decode_image_bytes(picture(name), name);
      QVERIFY2(image.ok(), image ? "" : image.error().sentence().c_str());
      if (image->width != row[0] || image->height != row[1] || digest(image->rgb) != row[2])
        different += " " + name;
    }
    QVERIFY2(different.empty(), different.c_str());
  }

  void sizeComesFromTheHeader() {
    QTemporaryDir folder;
    const Json rows = expectations("decoded");
    for (const auto& [name, row] : rows.items()) {
      const auto size = read_image_size(write(folder, name, picture(name)));
      QVERIFY2(size.ok(), name.c_str());
      QVERIFY2(size->width == row[0] && size->height == row[1], name.c_str());
    }
  }

  void formatIsToldByContent() {
    QTemporaryDir folder;
    const auto image = decode_image(write(folder, "wrong.webp", picture("rgb.png")));
    QVERIFY(image.ok());
    QCOMPARE(image->width, 21);
  }

  void cutFilesAreRefused() {
    for (const std::string name :
         {"rgb.png", "420.jpg", "progressive.jpg", "cmyk.jpg", "lossy.webp", "lossless.webp",
          "animated.webp", "colours.gif", "interlaced.gif", "rgb.bmp", "runs.bmp", "rgb.tiff",
          "tiff_lzw.tiff", "jpeg.tiff", "tiles.tiff"}) {
      const std::vector<std::byte> whole = picture(name);
      for (const std::size_t keep : {whole.size() / 2, whole.size() - whole.size() / 8,
                                     std::size_t{30}, std::size_t{3}, std::size_t{0}}) {
        const auto image = decode_image_bytes(std::span(whole).first(keep), "cut/" + name);
        QVERIFY2(!image.ok(), (name + " " + std::to_string(keep)).c_str());
        QVERIFY(image.error().code == ErrorCode::Input);
        QCOMPARE(image.error().where, "cut/" + name);
        QVERIFY(!image.error().what.empty());
      }
    }
  }

  // Whatever bytes are flipped: an answer, never a crash; what decodes has the size it says.
  void flippedBytesNeverCrash() {
    const Json rows = expectations("decoded");
    for (const auto& [name, row] : rows.items()) {
      std::uint32_t state = 7;
      for (int round = 0; round < 60; ++round) {
        std::vector<std::byte> bytes = picture(name);
        for (int flips = 0; flips < 3; ++flips) {
          state = state * 1664525u + 1013904223u;
          bytes[(state >> 8) % bytes.size()] ^= static_cast<std::byte>(1u << (state & 7));
        }
        const auto image = decode_image_bytes(bytes, name, {4'000'000});
        if (image)
          QCOMPARE(image->rgb.size(), std::size_t(image->width) * std::size_t(image->height) * 3);
      }
    }
  }

  void hugePicturesAreRefusedBeforeMemoryIsTaken() {
    std::vector<std::byte> bytes = picture("rgb.png");
    for (std::size_t i = 16; i < 24; ++i)
      bytes[i] = static_cast<std::byte>(i % 4 == 2 ? 0xff : 0);  // 65,280 x 65,280
    const auto huge = decode_image_bytes(bytes, "huge.png");
    QVERIFY(!huge.ok());
    QVERIFY(huge.error().what.find("limit") != std::string::npos);
    const auto over = decode_image_bytes(picture("420.jpg"), "a.jpg", {35 * 27 - 1});
    QVERIFY(!over.ok());
    QVERIFY(decode_image_bytes(picture("420.jpg"), "a.jpg", {35 * 27}).ok());
  }

  void missingAndOtherFilesAreNamed() {
    QTemporaryDir folder;
    const auto missing = decode_image("no/such/picture.png");
    QVERIFY(!missing.ok());
    QCOMPARE(missing.error().where, std::string("no/such/picture.png"));
    QVERIFY(!decode_image(folder.path().toStdString()).ok());
    QVERIFY(!read_image_size("no/such/picture.png").ok());
    const auto text = write(folder, "notes.png", std::vector<std::byte>(40, std::byte{'a'}));
    QVERIFY(!decode_image(text).ok());
    QCOMPARE(decode_image(text).error().where, text.string());
    QVERIFY(!read_image_size(text).ok());
  }

  // What a format beside PNG says of its size is held against the cap before a pixel is.
  void capsHoldForEveryFormat() {
    for (const std::string name : {"colours.gif", "rgb.bmp", "rgb.tiff"}) {
      const auto over = decode_image_bytes(picture(name), name, {21 * 13 - 1});
      QVERIFY2(!over.ok() && over.error().what.find("limit") != std::string::npos, name.c_str());
      QVERIFY(decode_image_bytes(picture(name), name, {21 * 13}).ok());
    }
  }

  // Pillow makes other pixels of these than libtiff.
  void coloursThatPillowReadsOtherwiseAreRefused() {
    const std::pair<unsigned, const char*> kinds[] = {
        {6, "YCbCr"}, {8, "CIE L*a*b*"}, {9, "ICC L*a*b*"}, {10, "ITU L*a*b*"}, {2, nullptr}};
    for (const auto& [colour, said] : kinds) {
      std::string file("II*\0\10\0\0\0", 8);
      const auto add = [&file](unsigned number, int bytes) {
        for (int i = 0; i < bytes; ++i) file += static_cast<char>(number >> (8 * i) & 255);
      };
      // Of 4 x 4 pixels, 8 bits each of three samples that lie behind the directory.
      const unsigned directory[][4] = {
          {256, 3, 1, 4},   {257, 3, 1, 4}, {258, 3, 3, 134}, {259, 3, 1, 1},  {262, 3, 1, colour},
          {273, 4, 1, 140}, {277, 3, 1, 3}, {278, 3, 1, 4},   {279, 4, 1, 48}, {530, 3, 2, 65537}};
      add(std::size(directory), 2);
      for (const auto& [tag, type, count, value] : directory)
        add(tag, 2), add(type, 2), add(count, 4), add(value, 4);
      add(0, 4);
      for (int i = 0; i < 3; ++i) add(8, 2);
      for (unsigned i = 0; i < 48; ++i) add(i * 5, 1);
      const auto image =
          decode_image_bytes(std::as_bytes(std::span(file.data(), file.size())), "x.tiff");
      QCOMPARE(image.ok(), said == nullptr);
      if (said) QVERIFY2(image.error().what.find(said) != std::string::npos, said);
    }
  }

  void otherFilesAreCalledWhatTheyAre() {
    const auto sentence = [](const std::string& bytes) {
      const auto image =
          decode_image_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())), "x");
      return image ? QString() : QString::fromStdString(image.error().sentence());
    };
    QVERIFY(sentence(std::string("\0\0\0\x1c", 4) + "ftypheic").contains("a HEIC picture"));
    QVERIFY(sentence(std::string("\0\0\0\x1c", 4) + "ftypisom").contains("an MP4 video"));
    QVERIFY(sentence("version https:\x2f/git-lfs.github.com/spec/v1\n").contains("git lfs pull"));
    QVERIFY(sentence("<!doctype html><html>").contains("a web page"));
    QVERIFY(sentence("PAR1").contains("a Parquet file"));
    QTemporaryDir folder;
    const auto directory = decode_image(folder.path().toStdString());
    QVERIFY(directory.error().what.find("folder") != std::string::npos);
    QVERIFY(read_image_size(folder.path().toStdString()).error().what.find("folder") !=
            std::string::npos);
  }

  // A size costs a header: of a large PNG the pixels are passed over, and what turns it may stand
  // behind them.
  void sizesDecodeNothing() {
    QTemporaryDir folder;
    const auto png = encode_png(noise(400, 300, 3));
    QVERIFY(png.ok() && png->size() > 200'000);
    const auto whole = std::as_bytes(std::span(*png));
    std::vector<std::byte> bytes(whole.begin(), whole.end());
    const std::vector<std::byte> late = picture("turned_late.png");
    const std::string text(reinterpret_cast<const char*>(late.data()), late.size());
    const std::size_t from = text.find("eXIf") - 4, to = text.find("IEND") - 4;
    bytes.insert(bytes.end() - 12, late.begin() + static_cast<std::ptrdiff_t>(from),
                 late.begin() + static_cast<std::ptrdiff_t>(to));
    const auto path = write(folder, "large.png", bytes);
    const std::uint64_t before = decoded_pictures();
    const auto size = read_image_size(path);
    QVERIFY(size.ok());
    QCOMPARE(size->width, 300);
    QCOMPARE(size->height, 400);
    QCOMPARE(decoded_pictures(), before);
    QVERIFY(decode_image(path).ok());
    QCOMPARE(decoded_pictures(), before + 1);
  }

  void pngRoundTrip() {
    const Image image = noise(19, 7, 12);
    const auto png = encode_png(image);
    QVERIFY(png.ok());
    const auto back = decode_image_bytes(std::as_bytes(std::span(*png)), "memory");
    QVERIFY(back.ok());
    QVERIFY(back->rgb == image.rgb);
    QVERIFY(!encode_png(Image{}).ok());
  }
};

QTEST_APPLESS_MAIN(TestDecode)
#include "test_decode.moc"
