//! The seven categories by which totals are shown, chosen by a file name's extension alone.

/// What a file most likely is. The order is that of the totals in a directory entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Text, office documents, books, mail.
    Documents,
    /// Photos and drawings.
    Images,
    /// Films.
    Video,
    /// Music and speech.
    Audio,
    /// Compressed and packed files, disk images.
    Archives,
    /// Program sources and what configures them.
    Code,
    /// Everything else.
    Other,
}

impl Category {
    /// All categories, in the order of the format.
    pub const ALL: [Self; 7] =
        [Self::Documents, Self::Images, Self::Video, Self::Audio, Self::Archives, Self::Code, Self::Other];

    /// By the letters after the last dot of a file name, in any case. A name that only begins with a dot has none.
    pub fn of_name(name: &[u8]) -> Self {
        let extension = match name.iter().rposition(|&byte| byte == b'.') {
            Some(dot) if dot > 0 => name[dot + 1..].to_ascii_lowercase(),
            _ => return Self::Other,
        };
        TABLE
            .iter()
            .find(|(_, extensions)| extensions.split(' ').any(|known| known.as_bytes() == extension))
            .map_or(Self::Other, |(category, _)| *category)
    }
}

const TABLE: [(Category, &str); 6] = [
    (
        Category::Documents,
        "pdf txt md rst rtf tex doc docx docm dot dotx odt ott fodt pages xls xlsx xlsm xlsb xlt ods fods numbers csv \
         tsv ppt pptx pptm pps ppsx odp key epub mobi azw azw3 djvu fb2 ps eml msg mbox ics vcf log org adoc one xps \
         accdb mdb odb",
    ),
    (
        Category::Images,
        "jpg jpeg jpe jfif png gif webp avif heic heif bmp tif tiff svg svgz ico icns psd psb xcf kra ai eps raw dng \
         cr2 cr3 nef arw orf rw2 raf pef srw jxl jp2 tga exr hdr indd afphoto afdesign",
    ),
    (
        Category::Video,
        "mp4 m4v mkv webm mov avi wmv flv mpg mpeg m2v m2ts mts 3gp 3g2 ogv vob divx rm rmvb asf mxf f4v srt sub vtt",
    ),
    (
        Category::Audio,
        "mp3 m4a m4b aac flac wav wave ogg oga opus wma aif aiff ape alac mid midi amr ac3 dts mka dsf dff m3u m3u8 \
         cue",
    ),
    (
        Category::Archives,
        "zip tar gz tgz bz2 tbz tbz2 xz txz zst tzst lz lz4 lzma 7z rar z cab arj cpio iso img dmg vhd vhdx vmdk qcow2 \
         vdi deb rpm apk jar war xpi crx pkg msi whl gem crate",
    ),
    (
        Category::Code,
        "rs c h cc cpp cxx hh hpp hxx m mm cs java kt kts scala groovy gradle go py pyi ipynb rb php pl pm lua r jl hs \
         ml mli fs fsx ex exs erl clj cljs lisp el scm swift dart zig nim v vhdl asm s js mjs cjs jsx ts tsx vue svelte \
         html htm xhtml css scss sass less xml xsl xsd json json5 jsonc yaml yml toml ini cfg conf sh bash zsh fish ps1 \
         bat cmd sql graphql proto cmake mk diff patch tf nix wat wasm lock",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn check(name: &str, expected: Category) {
        assert_eq!(Category::of_name(name.as_bytes()), expected, "{name}");
    }

    #[test]
    fn a_name_is_judged_by_its_last_extension_in_any_case() {
        check("thesis.pdf", Category::Documents);
        check("IMG_0001.JPG", Category::Images);
        check("film.mkv", Category::Video);
        check("song.Flac", Category::Audio);
        check("backup.tar.gz", Category::Archives);
        check("main.rs", Category::Code);
        check("README", Category::Other);
        check(".rs", Category::Other);
        check("trailing.", Category::Other);
        check("unheard.of", Category::Other);
        check("space. ", Category::Other);
    }

    #[test]
    fn no_extension_stands_in_two_categories() {
        let mut seen = HashSet::new();
        for extension in TABLE.iter().flat_map(|(_, extensions)| extensions.split(' ')) {
            assert!(seen.insert(extension), "{extension} stands twice");
            assert!(!extension.is_empty());
        }
    }

    #[test]
    fn a_category_is_its_place_in_the_format() {
        for (place, category) in Category::ALL.iter().enumerate() {
            assert_eq!(*category as usize, place);
        }
    }
}
