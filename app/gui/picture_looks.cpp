// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/picture_looks.h"

#include <QApplication>
#include <QDir>
#include <QElapsedTimer>
#include <QMainWindow>
#include <QPixmap>
#include <QThread>

#include "app/gui/picture_home.h"
#include "engine/io/output_place.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"

namespace luthier {

namespace {

constexpr int kAfterResize = 250, kAfterLanguage = 400, kAfterLook = 150;  // milliseconds
constexpr int kSmallestFile = 0;                                           // of PNG's qualities

Theme::Choice choice_of(const QString& theme) {
  return theme == QLatin1String("dark") ? Theme::Choice::Dark : Theme::Choice::Light;
}

}  // namespace

void settle(int milliseconds) {
  QElapsedTimer clock;
  clock.start();
  do {
    QApplication::processEvents(QEventLoop::AllEvents, 20);
    QThread::msleep(5);
  } while (clock.elapsed() < milliseconds);
}

PictureLooks::PictureLooks(PictureOptions options, const QStringList& secrets)
    : options_(std::move(options)), secrets_(secrets) {
  if (options_.languages.isEmpty())
    options_.languages = {QStringLiteral("en"), QStringLiteral("ko")};
  if (options_.themes.isEmpty())
    options_.themes = {QStringLiteral("light"), QStringLiteral("dark")};
  Language::instance().choose(options_.languages.front());
  Theme::instance().install(choice_of(options_.themes.front()));
}

QString PictureLooks::folder_of(const QSize& size, const QString& language,
                                const QString& theme) const {
  const QString looks = language + QLatin1Char('-') + theme;
  if (options_.sizes.size() == 1) return QDir(options_.folder).filePath(looks);
  return QDir(options_.folder)
      .filePath(QStringLiteral("%1x%2/%3").arg(size.width()).arg(size.height()).arg(looks));
}

Status PictureLooks::make_folders() const {
  for (const QSize& size : options_.sizes)
    for (const QString& language : options_.languages)
      for (const QString& theme : options_.themes)
        LUTHIER_CHECK(make_output_folder(to_path(folder_of(size, language, theme))));
  return {};
}

Status PictureLooks::grab(QWidget& top, const QString& file, const QString& name) {
  if (!top.grab().save(file, "PNG", kSmallestFile))
    return machine_error("The picture cannot be written.", file.toStdString(), "Make room there.");
  const QString told = text_that_tells(top, secrets_);
  if (!told.isEmpty()) telling_ << name + QStringLiteral(": ") + told;
  return {};
}

Status PictureLooks::save(QWidget& top, const QString& name) {
  const bool window = qobject_cast<QMainWindow*>(&top) != nullptr;
  for (const QSize& size : window ? options_.sizes : options_.sizes.mid(0, 1)) {
    if (window && top.size() != size) {
      top.resize(size);
      settle(kAfterResize);
    }
    for (const QString& language : options_.languages) {
      Language::instance().choose(language);
      settle(kAfterLanguage);
      for (const QString& theme : options_.themes) {
        Theme::instance().choose(choice_of(theme));
        settle(kAfterLook);
        LUTHIER_CHECK(grab(
            top,
            folder_of(size, language, theme) + QLatin1Char('/') + name + QStringLiteral(".png"),
            name));
      }
    }
  }
  if (window) top.resize(options_.sizes.front());
  Language::instance().choose(options_.languages.front());
  Theme::instance().choose(choice_of(options_.themes.front()));
  settle(kAfterLook);
  return {};
}

}  // namespace luthier
