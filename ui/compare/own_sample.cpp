// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/compare/own_sample.h"

#include <QApplication>
#include <QBuffer>
#include <QClipboard>
#include <QCryptographicHash>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QImage>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QMimeData>
#include <QPushButton>
#include <QSaveFile>
#include <QStandardPaths>
#include <QToolButton>
#include <QUrl>

#include "engine/vision/image.h"
#include "ui/background.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/pictures.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

constexpr int kThumbnail = 34;

QString picture_file(const QMimeData* mime) {
  if (!mime || !mime->hasUrls()) return {};
  const QList<QUrl> urls = mime->urls();
  if (urls.size() != 1 || !urls.front().isLocalFile()) return {};
  const QString file = urls.front().toLocalFile();
  static const QStringList kinds{
      QStringLiteral("png"), QStringLiteral("jpg"), QStringLiteral("jpeg"), QStringLiteral("webp"),
      QStringLiteral("bmp"), QStringLiteral("gif"), QStringLiteral("tif"),  QStringLiteral("tiff")};
  return kinds.contains(QFileInfo(file).suffix().toLower()) ? file : QString();
}

/// The file that the picture is kept in, by the hash of its bytes: the same picture is one file
/// however often it is pasted. On any thread.
Result<QString> kept_picture(const QImage& image) {
  QByteArray bytes;
  QBuffer buffer(&bytes);
  if (image.isNull() || !buffer.open(QIODevice::WriteOnly) || !image.save(&buffer, "PNG"))
    return input_error("The picture in the clipboard cannot be read.", "clipboard");
  QDir folder(QStandardPaths::writableLocation(QStandardPaths::AppDataLocation));
  const QString file = folder.filePath(
      QStringLiteral("pictures/") +
      QString::fromLatin1(
          QCryptographicHash::hash(bytes, QCryptographicHash::Sha256).toHex().left(16)) +
      QStringLiteral(".png"));
  QSaveFile out(file);
  if (!QFileInfo::exists(file) &&
      (!folder.mkpath(QStringLiteral("pictures")) || !out.open(QIODevice::WriteOnly) ||
       out.write(bytes) != bytes.size() || !out.commit()))
    return machine_error("The picture could not be written.", file.toStdString());
  return file;
}

}  // namespace

OwnSample::OwnSample(QWidget* parent) : QFrame(parent) {
  setObjectName(QStringLiteral("ownSample"));
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(8);
  thumbnail_ = new QLabel(this);
  thumbnail_->setObjectName(QStringLiteral("ownPicture"));
  thumbnail_->setFixedSize(kThumbnail, kThumbnail);
  thumbnail_->setAlignment(Qt::AlignCenter);
  choose_ = new QPushButton(this);
  choose_->setObjectName(QStringLiteral("ownChoose"));
  paste_ = new QPushButton(this);
  paste_->setObjectName(QStringLiteral("ownPaste"));
  without_ = new QToolButton(this);
  without_->setObjectName(QStringLiteral("ownWithout"));
  without_->setAutoRaise(true);
  set_themed_icon(without_, QStringLiteral("close"));
  question_ = new QLineEdit(this);
  question_->setObjectName(QStringLiteral("ownQuestion"));
  expected_ = new QLineEdit(this);
  expected_->setObjectName(QStringLiteral("ownExpected"));
  add_ = new QPushButton(this);
  add_->setObjectName(QStringLiteral("ownAdd"));
  for (QWidget* widget : std::initializer_list<QWidget*>{thumbnail_, without_, choose_, paste_})
    row->addWidget(widget);
  row->addWidget(question_, 3);
  row->addWidget(expected_, 2);
  row->addWidget(add_);
  for (QLineEdit* line : {question_, expected_}) {
    line->installEventFilter(this);
    connect(line, &QLineEdit::returnPressed, this, &OwnSample::add);
    connect(line, &QLineEdit::textChanged, this, &OwnSample::refresh);
  }
  connect(choose_, &QPushButton::clicked, this, &OwnSample::choose);
  connect(paste_, &QPushButton::clicked, this, [this] { paste(); });
  connect(without_, &QToolButton::clicked, this, [this] { set_picture({}); });
  connect(add_, &QPushButton::clicked, this, &OwnSample::add);
  connect(QApplication::clipboard(), &QClipboard::dataChanged, this, &OwnSample::refresh);
  on_language(this, [this] {
    choose_->setText(tr("&Picture…"));
    paste_->setText(tr("Pas&te"));
    paste_->setToolTip(tr("The picture in the clipboard (Ctrl+V)"));
    without_->setToolTip(tr("No picture"));
    without_->setAccessibleName(tr("No picture"));
    question_->setPlaceholderText(tr("Your question (drop a picture anywhere on the page)"));
    question_->setAccessibleName(tr("Your question"));
    expected_->setPlaceholderText(tr("Expected answer, if any"));
    expected_->setAccessibleName(tr("The expected answer to your question"));
    add_->setText(tr("As&k"));
    add_->setToolTip(tr("Adds it to the samples and asks every column"));
    refresh();
  });
}

bool OwnSample::takes(const QMimeData* mime) {
  return mime && (mime->hasImage() || !picture_file(mime).isEmpty());
}

void OwnSample::take(const QMimeData* mime) {
  if (const QString file = picture_file(mime); !file.isEmpty())
    set_picture(file);
  else if (mime->hasImage())
    keep(qvariant_cast<QImage>(mime->imageData()));
}

bool OwnSample::paste() {
  const QMimeData* mime = QApplication::clipboard()->mimeData();
  if (!takes(mime)) return false;
  take(mime);
  return true;
}

/// A screenshot takes a third of a second to pack, which the window does not wait for.
void OwnSample::keep(const QImage& image) {
  set_picture({});
  keeping_ = true;
  emit wanted();
  question_->setFocus();
  refresh();
  in_background_of(
      this, [image] { return kept_picture(image); },
      [this, ticket = ticket_](const Result<QString>& file) {
        if (ticket != ticket_) return;  // another picture was chosen since
        keeping_ = false;
        refresh();
        if (!file)
          emit failed(file.error());
        else
          show_picture(*file);
      });
}

void OwnSample::choose() {
  const QString file = QFileDialog::getOpenFileName(
      this, tr("Choose a picture"), {},
      tr("Pictures (*.png *.jpg *.jpeg *.webp *.bmp *.gif *.tif *.tiff)"));
  if (!file.isEmpty()) set_picture(file);
}

void OwnSample::set_picture(const QString& file) {
  ++ticket_;
  keeping_ = false;
  picture_.clear();
  thumbnail_->clear();
  if (!file.isEmpty() && show_picture(file)) {
    emit wanted();
    question_->setFocus();
  }
  refresh();
}

bool OwnSample::show_picture(const QString& file) {
  if (const auto size = read_image_size(to_path(file)); !size) {
    emit failed(size.error());
    return false;
  }
  picture_ = file;
  load_picture(file, kThumbnail, thumbnail_, [this, file](const QImage& image, const QString&) {
    if (file != picture_) return;
    thumbnail_->setPixmap(QPixmap::fromImage(
        image.scaled(kThumbnail, kThumbnail, Qt::KeepAspectRatio, Qt::SmoothTransformation)));
  });
  refresh();
  return true;
}

bool OwnSample::eventFilter(QObject* watched, QEvent* event) {
  // A picture in the clipboard goes beside the question; text goes into the line.
  if (event->type() == QEvent::KeyPress || event->type() == QEvent::ShortcutOverride) {
    auto* key = static_cast<QKeyEvent*>(event);
    if (key->matches(QKeySequence::Paste) && takes(QApplication::clipboard()->mimeData())) {
      if (event->type() == QEvent::KeyPress) paste();
      event->accept();
      return true;
    }
  }
  return QFrame::eventFilter(watched, event);
}

void OwnSample::add() {
  const QString question = question_->text().trimmed();
  if (question.isEmpty() || keeping_) return;
  Sample sample;
  Message asked{"user", {}, nullptr};
  if (!picture_.isEmpty()) asked.content.push_back(ContentPart::of_image(to_path(picture_)));
  asked.content.push_back(ContentPart::of_text(question.toStdString()));
  sample.conversation.messages.push_back(std::move(asked));
  if (const QString expected = expected_->text().trimmed(); !expected.isEmpty())
    sample.conversation.messages.push_back(
        {"assistant", {ContentPart::of_text(expected.toStdString())}, nullptr});
  sample.where = tr("your own").toStdString();
  question_->clear();
  expected_->clear();
  emit added(sample);
}

void OwnSample::refresh() {
  add_->setEnabled(!question_->text().trimmed().isEmpty() && !keeping_);
  without_->setVisible(!picture_.isEmpty());
  thumbnail_->setVisible(!picture_.isEmpty());
  thumbnail_->setToolTip(picture_);
  thumbnail_->setAccessibleName(picture_);
  paste_->setEnabled(takes(QApplication::clipboard()->mimeData()));
}

}  // namespace luthier
